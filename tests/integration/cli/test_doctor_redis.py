"""What the doctor says of a Redis that asks for a user, for TLS, or is behind Sentinels."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from manyline.entry.cli.doctor.examine import _redis
from manyline.entry.cli.doctor.findings import Finding, State
from manyline.entry.cli.doctor.place import with_embedded_stores
from manyline.settings import load_settings
from tests.integration.queue.fleet import (
    LOOPBACK,
    NAME,
    PASSWORD,
    SENTINEL_PASSWORD,
    USER,
    Authority,
    Process,
    door,
    sentinel,
    store,
)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Process]:
    with store(tmp_path / "store") as process:
        yield process


async def examined(port: int | None = None, **settings: Any) -> list[Finding]:
    """With the login that is right, unless the settings say otherwise."""
    where = {} if port is None else {"redis_host": LOOPBACK, "redis_port": port}
    login = {"redis_username": USER, "redis_password": PASSWORD}
    given = load_settings(_env_file=None, **{**where, **login, **settings})
    found = await _redis(with_embedded_stores(given))
    assert PASSWORD not in str(found)
    return found


async def test_a_good_one(valkey: Process) -> None:
    found = await examined(valkey.port)
    assert [one.name for one in found] == ["Redis", "eviction", "append-only file", "Redis memory"]
    assert found[0].state is State.OK
    assert found[0].detail.endswith(f"at {LOOPBACK}:{valkey.port}")


@pytest.mark.parametrize("wrong", [{"redis_username": "nobody"}, {"redis_password": "wrong"}])
async def test_a_login_that_is_refused(valkey: Process, wrong: dict[str, str]) -> None:
    [found] = await examined(valkey.port, **wrong)
    assert found.state is State.BROKEN
    assert "refused our user name or password" in found.detail
    assert "REDIS_USERNAME" in str(found.fix)


async def test_a_user_who_may_not_ask(valkey: Process) -> None:
    valkey.console.acl_setuser(USER, enabled=True, commands=["-info"])
    [found] = await examined(valkey.port)
    assert found.state is State.WARNING
    assert found.fix == "give the user +info"


async def test_a_certificate_that_nobody_vouches_for(valkey: Process, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    async with door(valkey.port, authority.server_context) as entrance:
        [found] = await examined(entrance.port, redis_tls=True)
        assert found.state is State.BROKEN
        assert "REDIS_TLS_CA_FILE" in str(found.fix)
        found, *_ = await examined(entrance.port, redis_tls=True, redis_tls_ca_file=authority.file)
        assert found.state is State.OK


async def test_a_replica_takes_no_jobs(valkey: Process, tmp_path: Path) -> None:
    with store(tmp_path / "replica", f"replicaof {LOOPBACK} {valkey.port}") as replica:
        [found] = await examined(replica.port)
    assert found.state is State.BROKEN
    assert "is a replica" in found.detail


async def test_behind_sentinels(valkey: Process, tmp_path: Path) -> None:
    with sentinel(tmp_path / "sentinel", valkey.port) as asked:
        where = {
            "redis_sentinels": f"{LOOPBACK}:{asked.port}",
            "redis_sentinel_master": NAME,
            "redis_sentinel_password": SecretStr(SENTINEL_PASSWORD),
        }
        found, *_ = await examined(**where)
        assert found.state is State.OK
        assert found.detail.endswith(f"the primary {NAME} of the Sentinels {LOOPBACK}:{asked.port}")
        [found] = await examined(**{**where, "redis_sentinel_master": "another"})
    assert found.state is State.BROKEN
    assert "name not known: 1" in found.detail
    assert "REDIS_SENTINEL_MASTER" in str(found.fix)
