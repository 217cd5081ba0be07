"""The stage that all who are measured share: one mongod, one Valkey, one fake Graph."""

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis

from bench.disk import come_to_rest
from bench.fake_graph import FakeGraph
from bench.store import Store
from manyline.infra.embedded import EmbeddedServers

IN_MEMORY = Path("/dev/shm")
PREFIX = "manyline-bench-"


class Stage:
    """For `async with`: servers on free ports, with all their files in a directory of their own.

    `requests` is where to write those: in memory where Linux has it, so that they do not reach the
    disk while the servers need it.
    """

    async def __aenter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._memory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_in_memory()))
        self.requests = self._memory / "requests.txt"
        # With the memory that mongod takes by itself, as it would on a machine of its own.
        self._servers = EmbeddedServers(self.directory / "servers", cache_gb=None)
        await self._servers.open()
        try:
            self.graph = FakeGraph(self.directory)
        except BaseException:
            await self._servers.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.graph.process.stop()
        await self._servers.close()
        shutil.rmtree(self.directory)
        shutil.rmtree(self._memory)

    def mongo_uri(self, database: str) -> str:
        """Everyone who is measured has a database of their own in the same mongod."""
        return self._servers.mongo_uri.replace("/pocdb?", f"/{database}?")

    @property
    def redis_host(self) -> str:
        """Of Valkey."""
        return self._servers.redis_host

    @property
    def redis_port(self) -> int:
        """Of Valkey."""
        return self._servers.redis_port

    @property
    def pids(self) -> dict[str, int]:
        """The servers, by role."""
        servers = {role: self._servers.pid(role) for role in ("mongod", "valkey")}
        return {**servers, "graph": self.graph.process.pid}

    def empty_valkey(self) -> None:
        """FLUSHALL: one is measured at a time, and begins with an empty queue."""
        with Redis(host=self.redis_host, port=self.redis_port) as valkey:
            valkey.flushall()

    def come_to_rest(self, store: Store) -> float:
        """Have what was done so far on the disk, and the disk quiet (see `bench.disk`)."""
        store.flush()
        return come_to_rest(self.directory)


def _in_memory() -> Path | None:
    return IN_MEMORY if IN_MEMORY.is_dir() else None
