"""The whole system as the benchmark runs it: production mode, real servers, fake Graph."""

import json
import os
import secrets
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis import Redis

from bench.fake_graph import FakeGraph, free_port
from bench.ledger import Ledger
from bench.load import phone_number_id
from bench.processes import Process, manyline, wait_until
from manyline.infra.embedded import EmbeddedServers

READY_SECONDS = 30.0
KEPT_FROM_OUTSIDE = ("PATH", "HOME", "LANG", "PYTHONPATH")
"""Nothing else of the caller's environment, where settings of the product might stand."""


class System:
    """mongod, Valkey and the fake Graph stay up; `start` and `stop` are for api and worker."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._servers = EmbeddedServers(directory / "servers")
        self._parts: list[Process] = []
        self._port = free_port()
        self._admin_key = secrets.token_hex(16)
        self.app_secret = secrets.token_hex(16)

    async def __aenter__(self) -> Self:
        await self._servers.open()
        try:
            self.graph = FakeGraph(self._directory)
        except BaseException:
            await self._servers.close()
            raise
        self.ledger = Ledger(self._servers.mongo_uri)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self.graph.process.stop()
        await self._servers.close()

    @property
    def webhook_url(self) -> str:
        """Where Meta would deliver."""
        return f"{self._url}/whatsapp/webhook"

    @property
    def mongo_uri(self) -> str:
        """The system's own mongod."""
        return self._servers.mongo_uri

    @property
    def pids(self) -> dict[str, int]:
        """Everything that works for a message, wrk apart."""
        servers = {role: self._servers.pid(role) for role in ("mongod", "valkey")}
        parts = {part.role: part.pid for part in (*self._parts, self.graph.process)}
        return parts | servers

    def start(self, *, tenants: int) -> None:
        """Empty the stores, start api and worker, register tenants."""
        self.ledger.empty()
        Redis(host=self._servers.redis_host, port=self._servers.redis_port).flushall()
        environment = self._environment()
        for role in ("api", "worker"):
            part = manyline(role, environment=environment, directory=self._directory)
            self._parts.append(part)
        wait_until(self._ready, what="api and worker did not get ready", seconds=READY_SECONDS)
        for tenant in range(tenants):
            self._register(tenant)

    def stop(self) -> None:
        """End api and worker."""
        while self._parts:
            self._parts.pop().stop()

    def check(self) -> None:
        """Raise `BenchError` when a part has died."""
        for part in self._parts:
            part.check()

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _environment(self) -> dict[str, str]:
        return {name: os.environ[name] for name in KEPT_FROM_OUTSIDE if name in os.environ} | {
            "ENVIRONMENT": "production",
            "APP_SECRET": self.app_secret,
            "VERIFY_TOKEN": secrets.token_hex(8),
            "MASTER_KEY": secrets.token_hex(32),
            "ADMIN_API_KEY": self._admin_key,
            "HOST": "127.0.0.1",
            "PORT": str(self._port),
            "MANYLINE_DATA_DIR": str(self._directory / "data"),
            "MONGO_URI": self._servers.mongo_uri,
            "REDIS_HOST": self._servers.redis_host,
            "REDIS_PORT": str(self._servers.redis_port),
            "GRAPH_BASE_URL": self.graph.url,
        }

    def _ready(self) -> bool:
        self.check()
        try:
            with urllib.request.urlopen(f"{self._url}/health/ready") as answer:
                return bool(json.load(answer)["status"] == "ready")
        except OSError:
            return False

    def _register(self, tenant: int) -> None:
        body: dict[str, Any] = {
            "name": f"Shop {tenant}",
            "phoneNumberId": phone_number_id(tenant),
            "accessToken": f"EAAB{secrets.token_hex(60)}",
        }
        headers = {
            "Authorization": f"Bearer {self._admin_key}",
            "Content-Type": "application/json",
        }
        request = urllib.request.Request(
            f"{self._url}/tenants/register", json.dumps(body).encode(), headers
        )
        with urllib.request.urlopen(request):
            pass
