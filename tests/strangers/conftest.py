"""A Valkey for the strangers' queue programs, and those programs."""

import asyncio
import json
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from manyline.infra.embedded.directory import DataDirectory
from manyline.infra.embedded.ports import KeptPorts
from manyline.infra.embedded.records import ProcessRecords
from manyline.infra.embedded.valkey import Valkey
from manyline.infra.redis import RedisServer
from tests.strangers.node_packages import installed, need_node

HERE = Path(__file__).parent
RUN_SECONDS = 30.0

RunNode = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    directory = DataDirectory.open(tmp_path_factory.mktemp("valkey"))
    records = ProcessRecords(directory.processes_file)
    server = Valkey(directory, KeptPorts(directory.ports_file), records)
    child = asyncio.run(server.start())
    yield server
    asyncio.run(child.stop(5.0))


@pytest.fixture
def redis(valkey: Valkey) -> Iterator[Redis]:
    """An empty server, and a client to look into it."""
    with Redis(valkey.host, valkey.port, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture
def redis_server(valkey: Valkey, redis: Redis) -> RedisServer:
    return RedisServer(host=valkey.host, port=valkey.port)


@pytest.fixture(scope="session")
def node_home(request: pytest.FixtureRequest) -> Path:
    """Where the packages of `node/` are installed, its scripts beside them."""
    need_node()
    return installed(HERE / "node", request.config.cache.mkdir("node"))


@pytest.fixture
def run_node(node_home: Path, redis_server: RedisServer) -> RunNode:
    """`run_node(script, *arguments)`: the JSON that one of our scripts prints, in a thread."""

    def run(script: str, *arguments: str) -> Any:
        done = subprocess.run(
            ["node", script, *arguments],
            cwd=node_home,
            env={
                "PATH": os.environ["PATH"],
                "REDIS_HOST": redis_server.host,
                "REDIS_PORT": str(redis_server.port),
            },
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    async def in_thread(script: str, *arguments: str) -> Any:
        return await asyncio.to_thread(run, script, *arguments)

    return in_thread
