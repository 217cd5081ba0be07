"""Who is measured by HTTP: what a round needs to know of them."""

from pathlib import Path
from typing import Protocol

from bench.peers.seeds import Seeds, install
from bench.stage import Stage
from bench.store import Store


class Contestant(Protocol):
    """A backend with a webhook: `ours.Ours`, and `Peer` for the seeds' stack."""

    name: str
    app_secret: str
    store: Store

    @property
    def tenant_ids(self) -> list[str]:
        """In the order of their numbers."""
        ...

    @property
    def urls(self) -> list[str]:
        """Of every api process."""
        ...

    @property
    def send_header(self) -> str:
        """What a tenant's own software shows to send, as `Name: value`; empty for nothing."""
        ...

    @property
    def pids(self) -> dict[str, int]:
        """Its processes by role, `api` and `worker` first."""
        ...

    def start(self, *, tenants: int) -> None:
        """Empty the stores, start the processes, register tenants."""
        ...

    def stop(self) -> None:
        """End the processes."""
        ...

    def check(self) -> None:
        """Raise `BenchError` when a process has died."""
        ...

    def messages_in_a_flush(self) -> float | None:
        """How many requests share a write, on the average since the start; None if none do."""
        ...


class Peer:
    """The seeds' stack (see `bench/peers`) on a stage, in a database of its own."""

    name = "seeds"
    send_header = ""

    def __init__(self, stage: Stage, *, app_secret: str, installed: Path) -> None:
        uri = stage.mongo_uri("seeds")
        self.app_secret = app_secret
        self.store = Store(uri)
        self._seeds = Seeds(
            stage.directory,
            installed=install(installed),
            mongo_uri=uri,
            redis_host=stage.redis_host,
            redis_port=stage.redis_port,
            graph_url=stage.graph.url,
            app_secret=app_secret,
        )

    @property
    def tenant_ids(self) -> list[str]:
        """In the order of their numbers."""
        return self._seeds.tenant_ids

    @property
    def urls(self) -> list[str]:
        """Of every api process."""
        return self._seeds.base_urls

    @property
    def pids(self) -> dict[str, int]:
        """`api` and `worker`."""
        return self._seeds.pids

    def start(self, *, tenants: int) -> None:
        """Empty its database and Valkey, start it, register tenants."""
        self._seeds.start(tenants=tenants)

    def stop(self) -> None:
        """End its processes."""
        self._seeds.stop()

    def check(self) -> None:
        """Raise `BenchError` when a process has died."""
        self._seeds.check()

    def messages_in_a_flush(self) -> float | None:
        """Each is written by itself."""
        return None
