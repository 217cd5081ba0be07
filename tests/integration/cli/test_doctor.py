"""`manyline doctor` finds what is broken, says how to mend it, and does so for each by itself."""

import gc
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from graphsim.simulator import Simulator
from manyline.infra.embedded.binaries import find_mongod
from manyline.infra.embedded.ports import KeptPorts
from tests.integration.cli.conftest import Run

NAMES = [
    *("MongoDB", "replica set", "clock", "secrets", "worker", "relay lag"),
    *("Redis", "eviction", "append-only file", "Redis memory"),
    *("API", "operator's key", "signature", "handshake", "Graph"),
]

Environment = dict[str, str]


@pytest.fixture
def here(backend: Any, simulator: Simulator) -> Environment:
    """The settings that the backend was started with, as the environment would hold them."""
    settings = backend.settings
    return {
        "MONGO_URI": settings.mongo_uri.get_secret_value(),
        "REDIS_HOST": settings.redis_host,
        "REDIS_PORT": str(settings.redis_port),
        "MASTER_KEY": "ab" * 32,
        "VERIFY_TOKEN": "a-verify-token",
        "APP_SECRET": "an-app-secret",
        "GRAPH_BASE_URL": simulator.base_url,
        "MANYLINE_URL": backend.url,
        "MANYLINE_DATA_DIR": str(settings.data_dir),
    }


@pytest.fixture
async def working(backend: Any, database: Any, eventually: Any) -> None:
    """A worker that was seen."""
    await backend.start_worker()
    await eventually(lambda: database.heartbeats.find_one({"role": "worker"}))


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def examined(run: Run, **environment: str) -> dict[str, dict[str, Any]]:
    """The findings by name; the exit code always says whether one of them is broken."""
    ran = await run("doctor", "--json", **environment)
    found = {one["name"]: one for one in ran.json["checks"]}
    broken = [name for name, one in found.items() if one["state"] == "broken"]
    assert ran.code == (1 if broken else 0)
    assert ran.json["ok"] is not bool(broken)
    for one in found.values():
        assert (one["fix"] is not None) == (one["state"] in ("broken", "warning")), one
    return found


def states(found: dict[str, dict[str, Any]], state: str) -> set[str]:
    return {name for name, one in found.items() if one["state"] == state}


@pytest.mark.usefixtures("working")
async def test_nothing_is_wrong(run: Run, backend: Any, here: Environment) -> None:
    await backend.register(appSecret="its-own")
    found = await examined(run, **here)
    assert list(found) == NAMES
    assert states(found, "ok") == set(NAMES)
    assert found["secrets"]["detail"] == "the master key opens those of all 1 tenants"
    assert found["signature"]["detail"] == "a signed webhook passes, a forged one is refused"


async def test_a_person_reads_marks_and_fixes_and_no_secret(
    run: Run, backend: Any, here: Environment
) -> None:
    await backend.register()
    ran = await run("doctor", **here)
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0].startswith("✓ MongoDB          version 6")
    place = next(n for n, line in enumerate(lines) if line.startswith("✗ worker"))
    assert "none was seen within the last hour: nothing is sent" in lines[place]
    assert "-> start one: manyline worker" in lines[place + 1]
    assert any(line.startswith("! API              degraded (worker: missing)") for line in lines)
    assert lines[-1] == "1 broken, 1 to look at"
    for secret in ("an-app-secret", "a-verify-token", "ab" * 32, "EAAG-a-token"):
        assert secret not in ran.out + ran.err


@pytest.mark.usefixtures("working")
async def test_a_key_that_opens_nothing_names_the_tenants(
    run: Run, backend: Any, here: Environment
) -> None:
    tenants = [await backend.register(f"{n}0000000000000") for n in range(1, 6)]
    found = await examined(run, **{**here, "MASTER_KEY": "cd" * 32})
    assert states(found, "broken") == {"secrets"}
    assert "those of 5 of 5 tenants do not open" in found["secrets"]["detail"]
    assert tenants[-1] in found["secrets"]["detail"]
    assert "and 2 more" in found["secrets"]["detail"]
    both = await examined(run, **{**here, "MASTER_KEY": "cd" * 32 + "," + "ab" * 32})
    assert states(both, "broken") == set()


async def test_one_tenants_changed_secret_is_found_among_many(
    run: Run, backend: Any, here: Environment, database: Any
) -> None:
    """Over more than one page, and in the second of the two secrets."""
    for number in range(105):
        await backend.register(f"{number:015}", appSecret="its-own")
    bad = ObjectId(await backend.register("9" * 15, appSecret="its-own"))
    good = await database.tenants.find_one({"phoneNumberId": "0" * 15})
    await database.tenants.update_one(
        {"_id": bad}, {"$set": {"appSecretEnc": good["appSecretEnc"]}}
    )
    found = await examined(run, **here)
    assert "those of 1 of 106 tenants do not open" in found["secrets"]["detail"]
    assert str(bad) in found["secrets"]["detail"]


async def test_a_missing_development_key_is_not_made(
    run: Run, backend: Any, here: Environment, tmp_path: Path
) -> None:
    await backend.register()
    del here["MASTER_KEY"]
    found = await examined(run, **{**here, "MANYLINE_DATA_DIR": str(tmp_path / "none")})
    assert "there is no master key" in found["secrets"]["detail"]
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("working")
async def test_a_redis_that_may_evict_or_forget(
    run: Run, backend: Any, here: Environment, redis: Any
) -> None:
    redis.config_set("maxmemory-policy", "allkeys-lru")
    redis.config_set("appendonly", "no")
    redis.config_set("maxmemory", int(redis.info()["used_memory"] * 1.05))
    try:
        found = await examined(run, **here)
    finally:
        redis.config_set("maxmemory", 0)
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("appendonly", "yes")
    assert found["eviction"]["state"] == "broken"
    assert "allkeys-lru" in found["eviction"]["detail"]
    assert "CONFIG SET maxmemory-policy noeviction" in found["eviction"]["fix"]
    assert found["append-only file"]["state"] == "warning"
    assert found["Redis memory"]["state"] == "warning"


async def test_a_redis_that_is_away(run: Run, backend: Any, here: Environment) -> None:
    found = await examined(run, **{**here, "REDIS_PORT": str(closed_port())})
    assert found["Redis"]["state"] == "broken"
    assert "ConnectionError" in found["Redis"]["detail"]
    assert "eviction" not in found
    assert found["MongoDB"]["state"] == "ok"


# PyMongo's monitor, cancelled while it connects, leaves its socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_mongodb_that_is_away(run: Run, backend: Any, here: Environment) -> None:
    uri = f"mongodb://user:hidden@127.0.0.1:{closed_port()}/pocdb"
    found = await examined(run, **{**here, "MONGO_URI": uri})
    assert states(found, "broken") == {"MongoDB"}
    skipped = {"replica set", "clock", "secrets", "worker", "relay lag"}
    assert states(found, "skipped") == skipped
    assert "hidden" not in str(found)
    gc.collect()


@pytest.fixture
def lone_mongod(tmp_path: Path) -> Iterator[str]:
    """A mongod that is no replica set."""
    port = KeptPorts(tmp_path / "ports.json").claim("lone")
    (tmp_path / "lone").mkdir()
    with subprocess.Popen(
        [
            *(str(find_mongod()), f"--dbpath={tmp_path / 'lone'}", f"--port={port}"),
            *("--bind_ip=127.0.0.1", "--nounixsocket", "--wiredTigerCacheSizeGB=0.25"),
        ],
        stdout=subprocess.DEVNULL,
    ) as process:
        yield f"mongodb://127.0.0.1:{port}/pocdb"
        process.terminate()


async def test_a_mongodb_that_is_no_replica_set(
    run: Run, backend: Any, here: Environment, lone_mongod: str, eventually: Any
) -> None:
    async def answers() -> Any:
        found = await examined(run, **{**here, "MONGO_URI": lone_mongod})
        return found if found["MongoDB"]["state"] == "ok" else None

    found = await eventually(answers, within=40)
    assert found["replica set"]["state"] == "broken"
    assert "rs.initiate()" in found["replica set"]["fix"]


async def test_nothing_set_and_nothing_running(run: Run, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    found = await examined(
        run, MANYLINE_URL=url, GRAPH_BASE_URL=url, MANYLINE_DATA_DIR=str(tmp_path / "none")
    )
    assert states(found, "broken") == {"MongoDB", "Redis", "API", "Graph"}
    assert states(found, "ok") == set()
    assert "manyline up" in found["MongoDB"]["fix"]
    assert "name service, firewall, proxy" in found["Graph"]["fix"]


@pytest.mark.parametrize(
    ("change", "broken", "says"),
    [
        ({"APP_SECRET": "another"}, "signature", "the API was started with another one"),
        ({"APP_SECRET": "an-app-secret,another"}, "signature", "was started with another one"),
        ({"APP_SECRET": ""}, "signature", "APP_SECRET is not set here"),
        ({"VERIFY_TOKEN": "another"}, "handshake", "it was started with another VERIFY_TOKEN"),
    ],
)
@pytest.mark.usefixtures("working")
async def test_settings_that_differ_from_the_running_api(  # noqa: PLR0917
    run: Run, backend: Any, here: Environment, change: Environment, broken: str, says: str
) -> None:
    found = await examined(run, **{**here, **change})
    assert states(found, "broken") == {broken}
    assert says in found[broken]["detail"]


@pytest.mark.usefixtures("working")
async def test_an_api_without_secrets_is_a_warning(
    run: Run, open_backend: Any, here: Environment
) -> None:
    open_door = await open_backend(app_secret=None, verify_token=None)
    await open_door.start_worker()
    del here["APP_SECRET"], here["VERIFY_TOKEN"]
    found = await examined(run, **{**here, "MANYLINE_URL": open_door.url})
    assert states(found, "warning") == {"signature", "handshake"}


async def test_an_api_that_takes_forgeries_is_broken(
    run: Run, open_backend: Any, here: Environment
) -> None:
    """Started without APP_SECRET, while it is set here."""
    open_door = await open_backend(app_secret=None)
    found = await examined(run, **{**here, "MANYLINE_URL": open_door.url})
    assert found["signature"]["state"] == "broken"
    assert "a forged webhook is answered HTTP 200" in found["signature"]["detail"]


async def test_an_operators_key_that_does_not_fit(
    run: Run, open_backend: Any, here: Environment
) -> None:
    guarded = await open_backend(app_secret="an-app-secret", admin_api_key="a-key")
    here["MANYLINE_URL"] = guarded.url
    assert (await examined(run, **here))["operator's key"]["state"] == "broken"
    found = await examined(run, **here, ADMIN_API_KEY="a-key")
    assert found["operator's key"]["detail"] == "the API takes it"


async def test_messages_that_wait_too_long(
    run: Run, backend: Any, here: Environment, database: Any
) -> None:
    waits = await backend.register()
    paused = await backend.register("222222222222222")
    for tenant in (waits, paused):
        await backend.sent(tenant)
    await backend.patch(paused, status="paused")

    async def overdue(tenant: str, **by: float) -> None:
        due = datetime.now(UTC) - timedelta(**by)
        await database.messages.update_one({"tenantId": ObjectId(tenant)}, {"$set": {"dueAt": due}})

    await overdue(paused, hours=3)
    await overdue(waits, seconds=10)
    assert (await examined(run, **here))["relay lag"]["state"] == "ok"
    await overdue(waits, seconds=90)
    lag = (await examined(run, **here))["relay lag"]
    assert lag["state"] == "warning"
    assert lag["detail"].endswith("; tenants that wait: 1")
    await overdue(waits, minutes=20)
    lag = (await examined(run, **here))["relay lag"]
    assert lag["state"] == "broken"
    assert "20 min overdue" in lag["detail"]
    await database.messages.update_one(
        {"tenantId": ObjectId(paused)}, {"$set": {"status": "sending"}}
    )
    lag = (await examined(run, **here))["relay lag"]
    assert lag["state"] == "broken"
    assert "which nobody has settled for 180 min" in lag["detail"]


async def test_a_worker_that_went_silent(
    run: Run, backend: Any, here: Environment, database: Any
) -> None:
    seen = datetime.now(UTC) - timedelta(minutes=5)
    await database.heartbeats.insert_one({"_id": "w", "role": "worker", "seenAt": seen})
    worker = (await examined(run, **here))["worker"]
    assert worker["state"] == "broken"
    assert "last seen 5 min ago" in worker["detail"]
