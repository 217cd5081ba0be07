"""The private mongod: a one-node replica set on loopback, so that majority writes are real ones."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from manyline.infra.embedded.answering import START_SECONDS, listens, until
from manyline.infra.embedded.binaries import find_mongod
from manyline.infra.embedded.child import Child, Command
from manyline.infra.embedded.directory import DataDirectory
from manyline.infra.embedded.ports import LOOPBACK, KeptPorts
from manyline.infra.embedded.records import ProcessRecords

if TYPE_CHECKING:
    from pymongo import AsyncMongoClient

ROLE = "mongod"
SET_NAME = "manyline"
DATABASE = "pocdb"

# Measured on two cores, median of 300: an insert with w=majority and j=true takes 0.7 to 1.0 ms,
# 50 in one insert_many 1.2 to 1.9 ms, whatever the journal's commit interval, since j=true asks for
# a flush at once. Ready on an empty directory after 0.3 to 0.6 s; stops in 0.5 s.
OPTIONS = (
    "--nounixsocket",
    "--quiet",
    "--noscripting",
    # One gigabyte of history is plenty for one node; the default is 5 % of the disk.
    "--oplogSize=1024",
    # A slow query is logged with its values, that is with numbers and texts of customers: never.
    "--slowms=2147483647",
    "--setParameter=diagnosticDataCollectionEnabled=false",
    # It slows writers until the followers catch up. There are none.
    "--setParameter=enableFlowControl=false",
    # Nobody reads old versions here, and each second of them is kept in memory and on disk.
    "--setParameter=minSnapshotHistoryWindowInSeconds=5",
    # 34 MB for an empty database instead of 302: the journal is not laid out in advance.
    "--wiredTigerEngineConfigString=log=(file_max=32MB,prealloc=false)",
)
REPLAY_OPLOG = (
    "--setParameter=recoverFromOplogAsStandalone=true",
    "--setParameter=takeUnstableCheckpointOnShutdown=true",
)

Client: TypeAlias = "AsyncMongoClient[dict[str, Any]]"
SetChange: TypeAlias = Callable[[Client], Awaitable[None]]


class Mongod:
    """Starts mongod with its data in `DATA_DIR/mongo`; its port is chosen once and kept.

    It keeps `cache_gb` of data in memory; with None as much as it takes by itself, which is half
    of the machine's memory less 1 GB.
    """

    role = ROLE

    def __init__(
        self,
        directory: DataDirectory,
        ports: KeptPorts,
        records: ProcessRecords,
        *,
        cache_gb: float | None = 1.0,
    ) -> None:
        self._directory = directory
        self._ports = ports
        self._records = records
        self._cache_gb = cache_gb
        self._binary = Path()
        self._port = 0

    def prepare(self) -> None:
        """Find the program and choose the port, so that `uri` is known; `start` does it if needed.

        A stranger may have taken the kept port: then it is a new one. Raises `BinaryError`.
        """
        self._binary = find_mongod()
        self._port = self._ports.claim(ROLE)

    @property
    def address(self) -> str:
        """`host:port`, also the name of the one member of its set."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def uri(self) -> str:
        """With the replica set's name, as one would write it for production."""
        return f"mongodb://{self.address}/{DATABASE}?replicaSet={SET_NAME}"

    def spawn(self) -> Child:
        """Start it where it was prepared to be, and return at once."""
        return Child(self._command(f"--replSet={SET_NAME}"), self._records)

    async def start(self) -> Child:
        """Start it and return when it takes writes, as the only and primary member of its set."""
        if not self._port:
            self.prepare()
        child = self.spawn()
        try:
            if not await self._in_own_set(child):
                await child.kill()
                await self._move_set()
                child = self.spawn()
            await self._primary(child)
        except BaseException:
            await child.kill()
            raise
        return child

    async def _in_own_set(self, child: Child) -> bool:
        """Whether the set on disk has this address; an empty directory is initiated with it."""
        await until(child, lambda: listens(LOOPBACK, self._port))
        async with self._client() as client:
            config = await client.local["system.replset"].find_one()
            if config is None:
                first = {"_id": SET_NAME, "members": [{"_id": 0, "host": self.address}]}
                await client.admin.command("replSetInitiate", first)
                return True
            return [one["host"] for one in config["members"]] == [self.address]

    async def _move_set(self) -> None:
        """After a move to another port (a stranger took ours): write the new address into the set.

        A node that is no member of its set would allow a reconfiguration by force, but only after
        it has asked the stranger whether that is itself: 30 s when that one is silent (measured).
        So it is done with the set at rest, as MongoDB's manual does it. The first start replays
        the oplog, which a start without `--replSet` would not do after a crash.
        """
        await self._at_rest(_leave, *REPLAY_OPLOG)
        await self._at_rest(self._rename_member)

    async def _at_rest(self, change: SetChange, *options: str) -> None:
        """Run mongod without its set, for one change."""
        child = Child(self._command(*options), self._records)
        try:
            await until(child, lambda: listens(LOOPBACK, self._port))
            async with self._client() as client:
                await change(client)
        finally:
            await child.stop(START_SECONDS)

    async def _rename_member(self, client: Client) -> None:
        change = {"$set": {"members": [{"_id": 0, "host": self.address}]}, "$inc": {"version": 1}}
        await client.local["system.replset"].update_one({"_id": SET_NAME}, change)

    async def _primary(self, child: Child) -> None:
        await until(child, lambda: listens(LOOPBACK, self._port))
        async with self._client() as client:

            async def is_primary() -> bool:
                hello = await client.admin.command("hello")
                return bool(hello.get("isWritablePrimary"))

            await until(child, is_primary)

    def _client(self) -> Client:
        # Imported when mongod, api and worker are under way: it takes 0.3 s that nobody waits for.
        from pymongo import AsyncMongoClient  # noqa: PLC0415

        return AsyncMongoClient(
            LOOPBACK, self._port, directConnection=True, serverSelectionTimeoutMS=30_000
        )

    def _command(self, *extra: str) -> Command:
        data = self._directory.server_data("mongo")
        argv = (
            str(self._binary),
            f"--dbpath={data}",
            f"--port={self._port}",
            f"--bind_ip={LOOPBACK}",
            *([] if self._cache_gb is None else [f"--wiredTigerCacheSizeGB={self._cache_gb}"]),
            *OPTIONS,
            *extra,
        )
        return Command(ROLE, argv, server_environment(), self._directory.log_of(ROLE))


async def _leave(_client: Client) -> None:
    """Change nothing: starting and stopping was the point."""


def server_environment() -> dict[str, str]:
    """What a server of somebody else's making needs: none of our settings, none of our secrets."""
    wanted = ("PATH", "LD_LIBRARY_PATH", "TZ")
    return {"LC_ALL": "C"} | {name: os.environ[name] for name in wanted if name in os.environ}
