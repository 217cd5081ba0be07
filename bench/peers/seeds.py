"""The seeds' stack as a peer: its api and worker as processes on servers that are given.

Everything about it that a caller needs to know is the same as of `bench.system`: a webhook URL, an
app secret, process ids, a ledger. The program itself is in `seeds/`.
"""

import json
import os
import secrets
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.fake_graph import free_port
from bench.load import phone_number_id
from bench.peers import node
from bench.peers.seeds_ledger import SeedsLedger
from bench.processes import Process, wait_until
from bench.programs import BenchError

__all__ = ["Seeds", "SeedsLedger", "install"]

SOURCE = Path(__file__).with_name("seeds")
READY_SECONDS = 30.0
ANSWER_SECONDS = 30.0
REGISTERING = 8
"""Tenants registered at once: 10,000 of them one by one would take minutes."""
KEPT_FROM_OUTSIDE = ("PATH", "HOME", "LANG")
"""Nothing else of the caller's environment: no proxy, no NODE_OPTIONS."""


def install(directory: Path) -> Path:
    """`npm ci` once, cached in `directory`; the folder to hand to `Seeds`. Raises `BenchError`."""
    return node.install(SOURCE, directory)


class Seeds:
    """The peer; one at a time on its servers, and never beside ours on the same ones.

    `directory` receives the logs, `installed` comes from `install`. `mongo_uri` names the database,
    which `start` empties together with all of Redis. An `app_secret` that is given is used, so that
    one file of signed webhooks serves several systems.
    """

    def __init__(
        self,
        directory: Path,
        *,
        installed: Path,
        mongo_uri: str,
        redis_host: str,
        redis_port: int,
        graph_url: str,
        app_secret: str | None = None,
    ) -> None:
        self._directory = directory
        self._installed = installed
        self._node = node.find_node()
        self._environment = _kept() | {
            "NODE_ENV": "production",
            "HOST": "127.0.0.1",
            "MASTER_KEY": secrets.token_hex(16),
            "VERIFY_TOKEN": secrets.token_hex(8),
            "WHATSAPP_API_VERSION": "v20.0",
            "MONGO_URI": mongo_uri,
            "REDIS_HOST": redis_host,
            "REDIS_PORT": str(redis_port),
            "GRAPH_BASE_URL": graph_url,
        }
        self._ports: list[int] = []
        self._parts: dict[str, Process] = {}
        self.app_secret = app_secret or secrets.token_hex(16)
        self.ledger = SeedsLedger(mongo_uri, redis_host, redis_port)
        self.tenant_ids: list[str] = []

    @property
    def base_urls(self) -> list[str]:
        """Of every api process."""
        return [f"http://127.0.0.1:{port}" for port in self._ports]

    @property
    def base_url(self) -> str:
        """Of the first api process."""
        return self.base_urls[0]

    @property
    def webhook_urls(self) -> list[str]:
        """Where Meta would deliver, for every api process."""
        return [f"{url}/whatsapp/webhook" for url in self.base_urls]

    @property
    def webhook_url(self) -> str:
        """Where Meta would deliver, at the first api process."""
        return self.webhook_urls[0]

    @property
    def pids(self) -> dict[str, int]:
        """`api` and `worker`, then `api-2` and so on; not the servers, which are the caller's."""
        return {role: part.pid for role, part in self._parts.items()}

    def start(self, *, tenants: int, apis: int = 1, workers: int = 1) -> None:
        """Empty the stores, start so many processes, wait until they are ready, register tenants.

        The nth tenant has the number `bench.load.phone_number_id(n)`; their ids are in
        `tenant_ids`. Raises `BenchError`, and nothing runs then.
        """
        self.stop()
        self.ledger.empty()
        self._ports = [free_port() for _ in range(apis)]
        try:
            for role, port in zip(_roles("api", apis), self._ports, strict=True):
                self._launch(role, "index.js", {"PORT": str(port)})
            for role in _roles("worker", workers):
                self._launch(role, "workerProcess.js", {})
            wait_until(self._ready, what="the seeds' stack is not ready", seconds=READY_SECONDS)
            with ThreadPoolExecutor(REGISTERING) as pool:
                self.tenant_ids = list(pool.map(self._register, range(tenants)))
        except BaseException:
            self.stop()
            raise

    def check(self) -> None:
        """Raise `BenchError` when a part has died."""
        for part in self._parts.values():
            part.check()

    def stop(self) -> None:
        """End its processes, the last one started first."""
        while self._parts:
            _, part = self._parts.popitem()
            part.stop()

    def _launch(self, role: str, script: str, environment: Mapping[str, str]) -> None:
        self._parts[role] = Process(
            f"seeds-{role}",
            [self._node, str(self._installed / "src" / script)],
            environment=self._environment | {"APP_SECRET": self.app_secret} | dict(environment),
            directory=self._directory,
        )

    def _ready(self) -> bool:
        self.check()
        workers = [part for role, part in self._parts.items() if role.startswith("worker")]
        if not all("Worker ready" in part.log.read_text(errors="replace") for part in workers):
            return False
        return all(_answers(f"{url}/health") for url in self.base_urls)

    def _register(self, tenant: int) -> str:
        body: dict[str, Any] = {
            "name": f"Shop {tenant}",
            "phoneNumberId": phone_number_id(tenant),
            "accessToken": f"EAAB{secrets.token_hex(60)}",
        }
        request = urllib.request.Request(
            f"{self.base_url}/tenants/register",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                return str(json.load(answer)["tenantId"])
        except OSError as error:
            self.check()
            raise BenchError(
                f"the seeds' stack did not register tenant {tenant}: {error}"
            ) from None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:
            return bool(json.load(answer)["ok"])
    except OSError:
        return False


def _roles(name: str, count: int) -> list[str]:
    return [name, *(f"{name}-{number}" for number in range(2, count + 1))]


def _kept() -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT_FROM_OUTSIDE if name in os.environ}
