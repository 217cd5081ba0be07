"""The real stores of a stage: a replica set of mongods on loopback, and a Valkey.

Each member is a `Process`, so a row can kill, freeze and start it again with the data it had.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from manyline.infra.embedded.binaries import find_mongod, find_valkey
from manyline.infra.embedded.mongod import OPTIONS as MONGOD_OPTIONS
from manyline.infra.embedded.mongod import server_environment
from manyline.infra.embedded.ports import KeptPorts
from manyline.infra.embedded.valkey import OPTIONS as VALKEY_OPTIONS
from tests.faults.hosts import Hosts
from tests.faults.processes import Process

READY_SECONDS = 60.0
SET_NAME = "faults"
# A failover within seconds instead of ten: rows are short.
ELECTION = {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500}
# Three of them share the machine with everything else.
CACHE_GB = 0.5
WITHOUT_FILE = ("--appendonly", "no")
"""For `Valkey.options`: what it held is gone with its process."""

Client: TypeAlias = AsyncMongoClient[dict[str, Any]]


class ReplicaSet:
    """mongods of one set; `nodes[0]` is not always the primary, ask `primary()`."""

    def __init__(self, directory: Path, ports: KeptPorts, hosts: Hosts, *, nodes: int) -> None:
        names = [f"mongod-{place}" for place in range(1, nodes + 1)]
        self.ports = [ports.claim(name) for name in names]
        self._addresses = [hosts.address(name) for name in names]
        self.nodes = [
            Process(
                name,
                hosts.command(name, self._argv(directory / f"mongo-{place + 1}", place)),
                environment=server_environment(),
                log=directory / "logs" / f"{name}.log",
                cwd=directory,
            )
            for place, name in enumerate(names)
        ]

    @property
    def uri(self) -> str:
        """All members named, as one writes it in production; database `pocdb`."""
        return f"mongodb://{','.join(self._members)}/pocdb?replicaSet={SET_NAME}"

    @property
    def _members(self) -> list[str]:
        pairs = zip(self._addresses, self.ports, strict=True)
        return [f"{address}:{port}" for address, port in pairs]

    def client(self) -> Client:
        """Of the whole set, for `async with`."""
        return AsyncMongoClient(self.uri, tz_aware=True, serverSelectionTimeoutMS=3000)

    def client_of(self, node: int) -> Client:
        """Of one member alone, by its place in `nodes`."""
        return AsyncMongoClient(
            self._members[node], directConnection=True, serverSelectionTimeoutMS=3000
        )

    async def open(self) -> None:
        """Start all, make them one set, and return when it takes writes."""
        for node in self.nodes:
            node.start()
        members = [{"_id": place, "host": host} for place, host in enumerate(self._members)]
        first = {"_id": SET_NAME, "members": members, "settings": ELECTION}
        # Whoever is to be a member has to answer, or the set is not made.
        for place in range(len(self.nodes)):
            async with self.client_of(place) as client:
                await _patiently(partial(client.admin.command, "ping"))
        async with self.client_of(0) as client:
            await client.admin.command("replSetInitiate", first)
        await self.writable()

    async def writable(self) -> None:
        """Return when a majority writes."""
        async with self.client() as client:
            database = client.get_default_database()
            await _patiently(
                lambda: database.command("insert", "ready", documents=[{}], writeConcern=MAJORITY)
            )
            await database.drop_collection("ready")

    async def primary(self, *, besides: int | None = None) -> int:
        """The place in `nodes` of the one that takes writes now; waits for an election.

        `besides` is not asked.
        """
        async with asyncio.timeout(READY_SECONDS):
            while True:
                for place, node in enumerate(self.nodes):
                    asked = place != besides and node.alive and not node.frozen
                    if asked and await self._leads(place):
                        return place
                await asyncio.sleep(0.05)

    async def _leads(self, place: int) -> bool:
        try:
            async with self.client_of(place) as client:
                return bool((await client.admin.command("hello")).get("isWritablePrimary"))
        except PyMongoError:
            return False

    def _argv(self, data: Path, place: int) -> Sequence[str]:
        data.mkdir(exist_ok=True)  # It may be a disk of its own.
        return (
            str(find_mongod()),
            f"--dbpath={data}",
            f"--port={self.ports[place]}",
            f"--bind_ip={self._addresses[place]}",
            f"--replSet={SET_NAME}",
            f"--wiredTigerCacheSizeGB={CACHE_GB}",
            *MONGOD_OPTIONS,
        )


MAJORITY: Mapping[str, Any] = {"w": "majority", "wtimeout": 1000}


class Valkey(Process):
    """The queue's and the limits' server; `options` of its next life may be changed."""

    def __init__(self, directory: Path, ports: KeptPorts, hosts: Hosts) -> None:
        self.port, self.address = ports.claim("valkey"), hosts.address("valkey")
        self.options: Sequence[str] = ()
        data = directory / "valkey"
        data.mkdir(exist_ok=True)  # It may be a disk of its own.
        usual = [word for option in VALKEY_OPTIONS for word in option.split(" ", 1)]
        argv = [
            str(find_valkey()),
            *("--dir", str(data), "--port", str(self.port), "--bind", self.address),
            *("" if word == "''" else word for word in usual),
            # Without a password it talks to its own host only.
            *(("--protected-mode", "no") if hosts.open_bind else ()),
        ]
        self._plain = hosts.command("valkey", argv)
        super().__init__(
            "valkey",
            self._plain,
            environment=server_environment(),
            log=directory / "logs" / "valkey.log",
            cwd=directory,
        )

    def client(self) -> "Redis":
        """For `async with`."""
        return Redis(host=self.address, port=self.port, socket_timeout=5, socket_connect_timeout=1)

    async def open(self) -> None:
        """Begin a life with `options` after the usual ones; return when it takes commands."""
        self.argv = [*self._plain, *self.options]
        self.start()
        async with self.client() as client:
            await _patiently(client.ping)


async def _patiently(ask: Callable[[], Any]) -> None:
    """Ask until there is an answer."""
    async with asyncio.timeout(READY_SECONDS):
        while True:
            try:
                await ask()
            except (PyMongoError, RedisError, OSError):
                await asyncio.sleep(0.05)
            else:
                return
