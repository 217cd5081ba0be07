"""Every service of compose.yaml by its own command line and environment, on real servers."""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from redis import Redis

from tests.containers.compose_file import ROOT, ComposeFile
from tests.containers.outside import Outside
from tests.containers.test_dockerfiles import stage
from tests.e2e.system import request

NUMBER = "111111111111111"
INBOUND: dict[str, Any] = {
    "metadata": {"phone_number_id": NUMBER},
    "messages": [
        {"from": "+919111111111", "id": "wamid.123", "type": "text", "text": {"body": "hi"}}
    ],
}


def image_check() -> tuple[str, ...]:
    """The HEALTHCHECK of our image, for a service that brings none of its own."""
    [check] = [rest for word, rest in stage("development") if word == "HEALTHCHECK"]
    return tuple(json.loads(check[check.index("[") :]))


@pytest.fixture(scope="module")
def outside(
    development: ComposeFile, node_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outside]:
    with Outside(development, tmp_path_factory.mktemp("development")) as running:
        running.start_stores(node_home)
        running.start("app")
        running.start("worker")
        running.until_healthy("app", line=image_check())
        running.until_healthy("worker")
        yield running


def url(outside: Outside, name: str, path: str = "") -> str:
    return f"http://127.0.0.1:{outside.ports[name]}{path}"


def test_the_health_check_made_a_set_that_takes_writes(outside: Outside) -> None:
    port = outside.ports["mongo"]
    again = outside.check("mongo", "--port", str(port))
    assert (again.returncode, again.stderr) == (0, "")
    with MongoClient[dict[str, Any]]("127.0.0.1", port, directConnection=True) as client:
        config = client.admin.command("replSetGetConfig")["config"]
        parsed = client.admin.command("getCmdLineOpts")["parsed"]
    assert (config["_id"], len(config["members"]), config["version"]) == ("rs0", 1, 1)
    assert parsed["operationProfiling"]["slowOpThresholdMs"] == 2**31 - 1


def test_a_server_that_is_away_is_not_healthy(outside: Outside) -> None:
    port = outside.ports["bull-board"]  # Nobody listens there.
    sick = outside.check("mongo", "--port", str(port))
    assert sick.returncode != 0
    assert "ECONNREFUSED" in sick.stdout + sick.stderr


def test_redis_keeps_what_it_has(outside: Outside) -> None:
    with Redis("127.0.0.1", outside.ports["redis"], decode_responses=True) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_a_message_gets_its_reply(outside: Outside) -> None:
    outside.until(lambda: ready(outside), what="/health/ready")
    given = {"name": "Tenant A", "phoneNumberId": NUMBER, "accessToken": "mock_token_tenant_A"}
    tenant = request(url(outside, "app", "/tenants/register"), body=given).json["tenantId"]
    webhook = {"entry": [{"changes": [{"value": INBOUND}]}]}
    assert request(url(outside, "app", "/whatsapp/webhook"), body=webhook).status == 200

    def replied() -> list[dict[str, Any]]:
        listed = request(url(outside, "app", f"/tenants/{tenant}/messages")).json["items"]
        return listed if [one["status"] for one in listed] == ["sent", "received"] else []

    reply, inbound = outside.until(replied, what="the reply")
    assert reply["body"] == "thanks for reaching us\n- team Tenant A"
    assert (inbound["body"], inbound["waMessageId"]) == ("hi", "wamid.123")


def test_the_quick_test_of_the_repository_passes(outside: Outside) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed, and docker/try-it.sh uses it")
    line = [str(ROOT / "docker/try-it.sh"), url(outside, "app")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" answered its customer.\n")


def ready(outside: Outside) -> bool:
    answer = request(url(outside, "app", "/health/ready"))
    return answer.status == 200 and answer.json["status"] == "ready"


def test_app_and_worker_share_the_master_key_of_their_volume(outside: Outside) -> None:
    """Two containers that start at once agree on it, or no token could be opened."""
    [key] = [path for path in (outside.directory / "data").iterdir() if "key" in path.name]
    assert key.stat().st_mode & 0o777 == 0o600


def test_mongo_express_lets_admin_in_and_nobody_else(outside: Outside, node_home: Path) -> None:
    home = node_home / "node_modules/mongo-express"
    # What the image builds or sets itself: the index of its scripts, and a session's secret.
    assets = home / "build-assets.json"
    if not assets.exists():
        assets.write_text("{}")
    image = {
        "ME_CONFIG_MONGODB_SERVER": "127.0.0.1",
        "ME_CONFIG_MONGODB_PORT": str(outside.ports["mongo"]),
        "ME_CONFIG_SITE_SESSIONSECRET": "secret",
        "VCAP_APP_HOST": "127.0.0.1",
        "PORT": str(outside.ports["mongo-express"]),
    }
    outside.start("mongo-express", command=("node", "app.js"), environment=image, cwd=home)
    front = url(outside, "mongo-express", "/")
    outside.until(lambda: listens(front), what="mongo-express")

    assert request(front).status == 401
    assert request(front, Authorization=basic("admin", "wrong")).status == 401
    page = request(front, Authorization=basic("admin", "pass"))
    assert page.status == 200
    assert b'href="/db/pocdb/"' in page.body  # It has logged in to the real server and looked.
    inside = request(
        url(outside, "mongo-express", "/db/pocdb/"), Authorization=basic("admin", "pass")
    )
    assert b"/db/pocdb/tenants" in inside.body


def test_bull_board_lists_our_queue(outside: Outside, board_home: Path) -> None:
    here = {"HOST": "127.0.0.1", "PORT": str(outside.ports["bull-board"])}
    outside.start("bull-board", command=("node", "server.js"), environment=here, cwd=board_home)
    front = url(outside, "bull-board", "/")
    outside.until(lambda: listens(front), what="bull-board")

    assert b"<title>" in request(front).body
    [queue] = request(url(outside, "bull-board", "/api/queues")).json["queues"]
    assert (queue["name"], queue["type"]) == ("whatsapp-send-queue", "bullmq")
    assert queue["counts"]["failed"] == 0


def listens(front: str) -> bool:
    try:
        return bool(request(front).status)
    except OSError:
        return False


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
