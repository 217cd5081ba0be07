"""Manyline as it is measured: production mode, every feature on, api and worker as processes."""

import json
import os
import re
import secrets
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from http.client import HTTPResponse

from bench.fake_graph import free_port
from bench.load import phone_number_id
from bench.processes import Process, manyline, wait_until
from bench.stage import Stage
from bench.store import Store

READY_SECONDS = 30.0
REGISTERING = 8
"""Tenants registered at once."""
KEPT_FROM_OUTSIDE = ("PATH", "HOME", "LANG", "PYTHONPATH")
"""Nothing else of the caller's environment, where settings of the product might stand."""


class Ours:
    """api and worker on a stage, with a database of their own.

    The keys are the same for its whole life, so tenants may stay from one start to the next.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        app_secret: str,
        name: str = "ours",
        database: str = "pocdb",
        apis: int = 1,
        workers: int = 1,
    ) -> None:
        self.name = name
        self.app_secret = app_secret
        self.store = Store(stage.mongo_uri(database))
        self.tenant_ids: list[str] = []
        self._stage = stage
        self._workers = workers
        self._ports = [free_port() for _ in range(apis)]
        self._parts: dict[str, Process] = {}
        self._admin_key = secrets.token_hex(16)
        self._environment = _kept() | {
            "ENVIRONMENT": "production",
            "APP_SECRET": app_secret,
            "VERIFY_TOKEN": secrets.token_hex(8),
            "MASTER_KEY": secrets.token_hex(32),
            "ADMIN_API_KEY": self._admin_key,
            "HOST": "127.0.0.1",
            "MANYLINE_DATA_DIR": str(stage.directory / "data"),
            "MONGO_URI": stage.mongo_uri(database),
            "REDIS_HOST": stage.redis_host,
            "REDIS_PORT": str(stage.redis_port),
            "GRAPH_BASE_URL": stage.graph.url,
        }

    @property
    def urls(self) -> list[str]:
        """Of every api process."""
        return [f"http://127.0.0.1:{port}" for port in self._ports]

    @property
    def send_header(self) -> str:
        """What a tenant's own software shows to send."""
        return f"Authorization: Bearer {self._admin_key}"

    @property
    def pids(self) -> dict[str, int]:
        """`api` and `worker`, then `api-2` and so on."""
        return {role: part.pid for role, part in self._parts.items()}

    def start(self, *, tenants: int, empty: bool = True) -> None:
        """Empty the stores, start the processes, wait until they are ready, register tenants.

        Tenants of the start before are kept where there were as many. With `empty` false all is.
        """
        self._stage.empty_valkey()
        known = self.store.empty(but_tenants=tenants) if empty else True
        try:
            self._launch()
            if not known:
                with ThreadPoolExecutor(REGISTERING) as pool:
                    list(pool.map(self._register, range(tenants)))
        except BaseException:
            self.stop()
            raise
        self.tenant_ids = [str(tenant_id) for tenant_id, _ in self.store.tenants()]

    def stop(self) -> None:
        """End the processes, the last one started first."""
        while self._parts:
            _, part = self._parts.popitem()
            part.stop()

    def check(self) -> None:
        """Raise `BenchError` when a part has died."""
        for part in self._parts.values():
            part.check()

    def messages_in_a_flush(self) -> float | None:
        """How many items a group commit has taken so far, on the average."""
        items = commits = 0.0
        for text in self._metrics():
            items += _metric(text, "manyline_inbound_flush_items_sum")
            commits += _metric(text, "manyline_inbound_flush_items_count")
        return items / commits if commits else None

    def _launch(self) -> None:
        for role, port in zip(_roles("api", len(self._ports)), self._ports, strict=True):
            self._start_part(role, "api", PORT=str(port))
        for role in _roles("worker", self._workers):
            self._start_part(role, "worker")
        wait_until(self._ready, what="api and worker did not get ready", seconds=READY_SECONDS)

    def _start_part(self, role: str, command: str, **more: str) -> None:
        self._parts[role] = manyline(
            command, environment=self._environment | more, directory=self._stage.directory
        )

    def _ready(self) -> bool:
        self.check()
        try:
            for url in self.urls:
                with urllib.request.urlopen(f"{url}/health/ready") as answer:
                    if json.load(answer)["status"] != "ready":
                        return False
        except OSError:
            return False
        return True

    def _register(self, tenant: int) -> None:
        body = {
            "name": f"Shop {tenant}",
            "phoneNumberId": phone_number_id(tenant),
            "accessToken": f"EAAB{secrets.token_hex(60)}",
        }
        with self._open("/tenants/register", json.dumps(body).encode()):
            pass

    def _metrics(self) -> Iterator[str]:
        for url in self.urls:
            with self._open("/metrics", base=url) as answer:
                yield answer.read().decode()

    def _open(
        self, path: str, body: bytes | None = None, *, base: str | None = None
    ) -> AbstractContextManager[HTTPResponse]:
        headers = {
            "Authorization": f"Bearer {self._admin_key}",
            "Content-Type": "application/json",
        }
        request = urllib.request.Request((base or self.urls[0]) + path, body, headers)
        answer: HTTPResponse = urllib.request.urlopen(request)
        return answer


def _metric(text: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _roles(name: str, count: int) -> list[str]:
    return [name, *(f"{name}-{number}" for number in range(2, count + 1))]


def _kept() -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT_FROM_OUTSIDE if name in os.environ}
