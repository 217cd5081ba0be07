"""The embedded servers as one thing that starts and stops: what tests and benchmarks use."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from manyline.infra.embedded.child import Child
from manyline.infra.embedded.directory import DataDirectory
from manyline.infra.embedded.mongod import Mongod
from manyline.infra.embedded.orphans import end_orphans
from manyline.infra.embedded.ports import KeptPorts
from manyline.infra.embedded.records import ProcessRecords
from manyline.infra.embedded.valkey import Valkey

STOP_SECONDS = 5.0


class Server(Protocol):
    """A server that can be started again and again, each time with the data it had."""

    role: str

    @property
    def address(self) -> str:
        """`host:port`, known once prepared."""

    def prepare(self) -> None:
        """Find its program and choose its port."""

    def spawn(self) -> Child:
        """Start it where it was prepared to be, and return at once."""

    async def start(self) -> Child:
        """Start it and return when it answers; raise `StartError` when it ends instead."""


class EmbeddedServers:
    """mongod and Valkey on one data directory, for `async with` or `start` and `close`.

    Each can be stopped, killed and started again by its role, `"mongod"` or `"valkey"`; nothing
    restarts them by itself. Usable from any event loop, one call at a time. `cache_gb` is mongod's
    (see `Mongod`): 1 GB, since these share a machine with everything else.
    """

    def __init__(self, data_dir: Path, *, cache_gb: float | None = 1.0) -> None:
        self._path = data_dir
        self._cache_gb = cache_gb
        self._held = ExitStack()
        self._servers: dict[str, Server] = {}
        self._children: dict[str, Child] = {}
        self._mongod: Mongod | None = None
        self._valkey: Valkey | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Take the directory, end what an earlier holder left behind, start both servers."""
        directory = DataDirectory.open(self._path)
        self._held.enter_context(directory.lock())
        records, ports = ProcessRecords(directory.processes_file), KeptPorts(directory.ports_file)
        self._mongod = Mongod(directory, ports, records, cache_gb=self._cache_gb)
        self._valkey = Valkey(directory, ports, records)
        self._servers = {one.role: one for one in (self._mongod, self._valkey)}
        try:
            await end_orphans(records)
            async with asyncio.TaskGroup() as group:
                for role in self._servers:
                    group.create_task(self.start(role))
        except ExceptionGroup as failures:
            await self.close()
            raise failures.exceptions[0] from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop both and let go of the directory; harmless when repeated."""
        await asyncio.gather(*(self.stop(role) for role in tuple(self._children)))
        self._held.close()

    async def start(self, role: str) -> None:
        """Start one again and wait until it answers."""
        self._children[role] = await self._servers[role].start()

    async def stop(self, role: str) -> None:
        """An orderly stop; harmless when it does not run."""
        child = self._children.pop(role, None)
        if child is not None:
            await child.stop(STOP_SECONDS)

    async def kill(self, role: str) -> None:
        """SIGKILL, as a crash would; returns when it is gone."""
        await self._children.pop(role).kill()

    def pid(self, role: str) -> int:
        """The process that plays the role now; `KeyError` when none does."""
        return self._children[role].pid

    @property
    def mongo_uri(self) -> str:
        """For `MONGO_URI`: replica set named, database `pocdb`."""
        assert self._mongod is not None  # noqa: S101 - narrows for the type checker
        return self._mongod.uri

    @property
    def redis_host(self) -> str:
        """For `REDIS_HOST`."""
        assert self._valkey is not None  # noqa: S101
        return self._valkey.host

    @property
    def redis_port(self) -> int:
        """For `REDIS_PORT`."""
        assert self._valkey is not None  # noqa: S101
        return self._valkey.port
