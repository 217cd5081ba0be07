"""The services of compose.prod.yaml by their own command lines: secrets asked for, doors closed."""

import hashlib
import hmac
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from tests.containers.compose_file import ROOT, ComposeFile
from tests.containers.outside import Outside
from tests.containers.test_development_services import image_check
from tests.e2e.system import Answer, request

# In place of the MongoDB image's entry point. It does what that one is documented to do with an
# empty volume: without set and key file, make the root user and run what lies in its directory.
ENTRY_POINT = """\
#!/bin/bash
set -e
shift
mongod --fork --quiet --nounixsocket --dbpath {data} --port {port} --bind_ip 127.0.0.1 \
    --logpath {data}/initdb.log
mongosh --quiet --norc --port {port} admin --eval 'db.createUser({{
    user: process.env.MONGO_INITDB_ROOT_USERNAME,
    pwd: process.env.MONGO_INITDB_ROOT_PASSWORD,
    roles: ["root"],
}})'
mongosh --quiet --norc --port {port} {create_user}
mongod --quiet --shutdown --dbpath {data}
exec mongod "$@" --auth --nounixsocket --wiredTigerCacheSizeGB 0.25 --dbpath {data} --port {port}
"""
NOTHING = "#!/bin/sh\n"


@pytest.fixture(scope="module")
def outside(
    production: ComposeFile, node_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outside]:
    with Outside(production, tmp_path_factory.mktemp("production")) as running:
        place = {
            "data": running.directory / "mongo",
            "port": running.ports["mongo"],
            "create_user": ROOT / "docker/mongo/create-user.js",
        }
        running.provide_script("docker-entrypoint.sh", ENTRY_POINT.format(**place))
        running.provide_script("chown", NOTHING)  # There is no user mongodb on this machine.
        running.start_stores(node_home)
        running.start("app")
        running.start("worker")
        running.until_healthy("app", line=image_check())
        running.until_healthy("worker")
        yield running


def call(outside: Outside, path: str, key: str | None, **more: Any) -> Answer:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return request(f"http://127.0.0.1:{outside.ports['app']}{path}", **headers, **more)


def mongo(outside: Outside, **login: Any) -> MongoClient[dict[str, Any]]:
    return MongoClient("127.0.0.1", outside.ports["mongo"], directConnection=True, **login)


def test_mongodb_lets_in_only_whom_it_knows(outside: Outside, secrets: Mapping[str, str]) -> None:
    with mongo(outside) as nobody, pytest.raises(OperationFailure, match="requires auth"):
        nobody["pocdb"]["tenants"].find_one()
    user = {"username": "manyline", "password": secrets["MONGO_PASSWORD"], "authSource": "pocdb"}
    with mongo(outside, **user) as ours:
        assert ours["pocdb"]["tenants"].find_one() is None
        with pytest.raises(OperationFailure, match="not authorized"):
            ours["admin"]["system.users"].find_one()
    root = {"username": "root", "password": secrets["MONGO_ROOT_PASSWORD"]}
    with mongo(outside, **root) as operator:
        config = operator["admin"].command("replSetGetConfig")["config"]
        assert (config["_id"], len(config["members"])) == ("rs0", 1)


def test_redis_lets_in_only_who_knows_its_password(
    outside: Outside, secrets: Mapping[str, str]
) -> None:
    port = outside.ports["redis"]
    once = Retry(NoBackoff(), 0)
    with Redis("127.0.0.1", port, retry=once) as nobody, pytest.raises(AuthenticationError):
        nobody.ping()
    with Redis(
        "127.0.0.1", port, password=secrets["REDIS_PASSWORD"], decode_responses=True
    ) as ours:
        assert ours.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert ours.config_get("appendonly") == {"appendonly": "yes"}


def test_all_is_ready_and_every_door_wants_a_key(
    outside: Outside, secrets: Mapping[str, str]
) -> None:
    key = secrets["ADMIN_API_KEY"]
    outside.until(
        lambda: call(outside, "/health/ready", key).json["status"] == "ready", what="ready"
    )
    assert call(outside, "/tenants", None).status == 401
    assert call(outside, "/tenants", "another-key").status == 401
    assert call(outside, "/tenants", key).json == {"items": [], "nextCursor": None}


def test_no_token_is_simulated_and_no_webhook_goes_unsigned(
    outside: Outside, secrets: Mapping[str, str]
) -> None:
    key = secrets["ADMIN_API_KEY"]
    tenant = {"name": "Tenant A", "phoneNumberId": "111111111111111", "accessToken": "mock_token"}
    refused = call(outside, "/tenants/register", key, body=tenant)
    assert refused.status == 422
    assert b"mock_" in refused.body

    hook = f"http://127.0.0.1:{outside.ports['app']}/whatsapp/webhook"
    body = json.dumps({"object": "whatsapp_business_account", "entry": []}).encode()
    assert request(hook, body=body).status == 401
    digest = hmac.digest(secrets["APP_SECRET"].encode(), body, hashlib.sha256).hex()
    signed = {"X-Hub-Signature-256": f"sha256={digest}"}
    assert request(hook, body=body, **signed).status == 200
    asked = f"?hub.mode=subscribe&hub.challenge=42&hub.verify_token={secrets['VERIFY_TOKEN']}"
    assert request(hook + asked).body == b"42"


def test_no_secret_is_printed(outside: Outside, secrets: Mapping[str, str]) -> None:
    printed = "".join(path.read_text(errors="replace") for path in outside.directory.glob("*.log"))
    assert "api.ready" in printed
    assert not [name for name, value in secrets.items() if value in printed]


def test_mongodbs_command_may_run_again_in_the_same_container(
    production: ComposeFile, tmp_path: Path
) -> None:
    """What /tmp holds stays there over a restart: the key file, and it is somebody else's by then.

    Where fs.protected_regular is set, the second start must not write into that file; this test
    does not depend on that setting, so it looks whether the file is another one.
    """
    programs, place = tmp_path / "bin", tmp_path / "tmp"
    programs.mkdir()
    place.mkdir()
    place.chmod(0o1777)
    chown = f'#!/bin/sh\n[ "$1" = mongodb ] && exec {shutil.which("chown")} 65534 "$2"\n'
    provided = {
        "docker-entrypoint.sh": '#!/bin/sh\necho "$@"\n',
        "chown": chown if os.geteuid() == 0 else NOTHING,
    }
    for name, text in provided.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    line = [one.replace("/tmp/", f"{place}/") for one in production.services["mongo"].command]
    key_file, keys, opened = place / "keyfile", [], []
    for _ in range(2):
        done = subprocess.run(
            line,
            env={"PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"mongod --replSet rs0 --keyFile {key_file} ")
        assert key_file.stat().st_mode & 0o777 == 0o400
        keys.append(key_file.read_text())
        # Held open, so that the next file cannot get the number of this one.
        opened.append(os.open(key_file, os.O_RDONLY))
    first, second = (os.fstat(one) for one in opened)
    for one in opened:
        os.close(one)
    assert len(keys[0]) == len(keys[1]) == 64
    assert keys[0] != keys[1]
    assert first.st_ino != second.st_ino


def nginx_configuration(outside: Outside, port: int) -> Path:
    """The proxy's, with the addresses and paths of this test."""
    text = outside.here((ROOT / "docker/proxy/nginx.conf").read_text())
    directory = outside.directory / "proxy"
    directory.mkdir()
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};")
    text = text.replace("/dev/stderr", "stderr")
    bodies = "".join(
        f"    {kind}_temp_path {directory}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = directory / "nginx.conf"
    path.write_text(text.replace("http {\n", f"http {{\n{bodies}", 1))
    return path


def test_the_proxy_passes_everything_on(outside: Outside, secrets: Mapping[str, str]) -> None:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if nginx is None:
        pytest.skip("nginx is not installed to try the proxy's configuration")
    port = outside.ports["mongo-express"]  # Not started in production, so its port is free.
    configuration = nginx_configuration(outside, port)
    tried = subprocess.run(
        [nginx, "-t", "-c", configuration], capture_output=True, text=True, check=False
    )
    assert tried.returncode == 0, tried.stderr
    # Root's workers become somebody else, who may not enter this test's directory.
    foreground = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
    outside.start("proxy", "-c", str(configuration), "-g", foreground, command=(nginx,))
    front = f"http://127.0.0.1:{port}"
    outside.until(lambda: answers(front), what="nginx")

    assert request(f"{front}/health").json == {"ok": True, "status": "up"}
    key = {"Authorization": f"Bearer {secrets['ADMIN_API_KEY']}"}
    assert request(f"{front}/tenants", **key).json == {"items": [], "nextCursor": None}
    assert request(f"{front}/tenants").status == 401
    # The API's own answer to a body that is too large, not the proxy's page.
    large = request(f"{front}/whatsapp/webhook", body=b"x" * (4 * 1024 * 1024))
    assert large.status == 413
    assert large.headers["Content-Type"] == "application/problem+json"


def answers(front: str) -> bool:
    try:
        return request(f"{front}/health").status == 200
    except OSError:
        return False
