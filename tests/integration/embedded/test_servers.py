"""The embedded servers on real programs: start, restart, crash, a stranger on a kept port."""

import json
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.write_concern import WriteConcern
from redis import Redis

from manyline.infra.embedded import EmbeddedServers
from manyline.infra.embedded.errors import DataDirectoryError, StartError
from manyline.infra.embedded.records import start_mark


@contextmanager
def collection_of(servers: EmbeddedServers) -> Iterator[Any]:
    with MongoClient[dict[str, Any]](servers.mongo_uri, serverSelectionTimeoutMS=20_000) as client:
        yield client.get_default_database().get_collection(
            "things", write_concern=WriteConcern("majority", j=True)
        )


@contextmanager
def redis_of(servers: EmbeddedServers) -> Iterator[Redis]:
    with Redis(servers.redis_host, servers.redis_port) as client:
        yield client


@contextmanager
def stranger_on(port: int) -> Iterator[None]:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen(1)
        yield


def mongod_port(data: Path) -> int:
    return int(json.loads((data / "ports.json").read_text())["mongod"])


async def test_data_and_ports_survive_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with EmbeddedServers(data) as servers:
        first = (servers.mongo_uri, servers.redis_port)
        with collection_of(servers) as things, redis_of(servers) as redis:
            things.insert_one({"_id": 1})
            redis.set("key", "value")
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        pids = [servers.pid("mongod"), servers.pid("valkey")]
    assert [start_mark(pid) for pid in pids] == [None, None]

    async with EmbeddedServers(data) as servers:
        assert (servers.mongo_uri, servers.redis_port) == first
        with collection_of(servers) as things, redis_of(servers) as redis:
            assert things.find_one() == {"_id": 1}
            assert redis.get("key") == b"value"
            assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert redis.config_get("appendonly") == {"appendonly": "yes"}


async def test_a_killed_server_comes_back_with_what_was_acknowledged(tmp_path: Path) -> None:
    async with EmbeddedServers(tmp_path) as servers:
        with collection_of(servers) as things:
            things.insert_many({"_id": number} for number in range(500))
            await servers.kill("mongod")
            await servers.start("mongod")
            assert things.count_documents({}) == 500
        await servers.kill("valkey")
        await servers.start("valkey")
        with redis_of(servers) as redis:
            assert redis.ping()


async def test_a_stranger_on_mongods_port_moves_the_replica_set(tmp_path: Path) -> None:
    async with EmbeddedServers(tmp_path) as servers:
        with collection_of(servers) as things:
            things.insert_many({"_id": number} for number in range(5_000))
        # A crash: what was acknowledged is in the journal and the oplog only.
        await servers.kill("mongod")
    old = mongod_port(tmp_path)
    with stranger_on(old):
        async with EmbeddedServers(tmp_path) as servers:
            assert mongod_port(tmp_path) != old
            with collection_of(servers) as things:
                assert things.count_documents({}) == 5_000
                assert things.insert_one({"_id": "another"}).acknowledged
    async with EmbeddedServers(tmp_path) as servers:
        with collection_of(servers) as things:
            assert things.count_documents({}) == 5_001


async def test_a_server_killed_before_its_set_was_made_is_initiated_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(*_: object) -> None:
        raise StartError("killed in the test")

    with monkeypatch.context() as patched:
        patched.setattr("manyline.infra.embedded.mongod.Mongod._in_own_set", killed)
        with pytest.raises(StartError):
            await EmbeddedServers(tmp_path).open()
    async with EmbeddedServers(tmp_path) as servers:
        with collection_of(servers) as things:
            assert things.insert_one({"_id": 1}).acknowledged


async def test_one_holder_at_a_time(tmp_path: Path) -> None:
    async with EmbeddedServers(tmp_path):
        with pytest.raises(
            DataDirectoryError, match=r"in use by another `manyline up` \(process \d+"
        ):
            await EmbeddedServers(tmp_path).open()


async def test_what_mongod_complained_about_is_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "mongo").mkdir()
    (tmp_path / "mongo" / "storage.bson").write_bytes(b"not BSON")
    with pytest.raises(StartError, match=r"mongod exited with \d+: .+; its log is .+mongod\.log"):
        await EmbeddedServers(tmp_path).open()
    async with EmbeddedServers(tmp_path / "other"):
        pass
