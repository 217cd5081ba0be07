"""The stage that all who are measured share: one mongod, one Valkey, one fake Graph."""

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis

from bench.fake_graph import FakeGraph
from manyline.infra.embedded import EmbeddedServers


class Stage:
    """For `async with`: servers on free ports, with all their files in a directory of their own."""

    async def __aenter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="manyline-bench-"))
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
