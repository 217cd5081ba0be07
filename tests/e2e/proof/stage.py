"""A running system on a stage of its own: `manyline up` as a process, Meta inside this one.

The simulator runs in the test's own event loop, so the journal can be read in the same step in
which a process is killed: what was under way at that instant is known exactly.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from pymongo import AsyncMongoClient

from graphsim.journal import Entry
from graphsim.settings import Settings
from graphsim.simulator import Simulator
from manyline.infra.embedded.records import ProcessRecords
from tests.e2e.conftest import StartUp
from tests.e2e.system import System, request

APP_SECRET = "e2e-app-secret"
TOKEN = "EAA-e2e-token"
LATENCY_SECONDS = 0.05
ROLES = ("worker", "api", "valkey", "mongod")
# A lease of eight seconds instead of thirty, so that a killed worker's messages come to rest soon.
QUICK = {
    "CALL_DEADLINE_SECONDS": "3",
    "LEASE_SECONDS": "8",
    "RELAY_INTERVAL_SECONDS": "0.5",
}
STORES = ("mongod", "valkey")
LOG_LINES = 30
USUAL = "] request  "
"""In each of the API's lines about a request that it answered."""


@dataclass(frozen=True)
class Line:
    """One tenant's WhatsApp line."""

    tenant_id: str
    name: str
    number: str

    @property
    def reply(self) -> str:
        """What a customer who writes to it is answered."""
        return f"thanks for reaching us\n- team {self.name}"


@dataclass(frozen=True)
class Kill:
    """A SIGKILL: whom, when (Unix seconds), and the POSTs that Meta had not answered then."""

    roles: tuple[str, ...]
    at: float
    unanswered: frozenset[str]
    owner: str | None = None
    """The name under which a killed worker claimed, where there are several."""


class Stage:
    """The system, Meta, and a client; `open_stage` makes one."""

    def __init__(
        self,
        up: System,
        simulator: Simulator,
        session: aiohttp.ClientSession,
        start_again: Callable[[], System],
    ) -> None:
        self.up = up
        self.url = up.url
        self.simulator = simulator
        self.session = session
        self._start_again = start_again
        self._abandoned: frozenset[str] = frozenset()

    @property
    def journal(self) -> list[Entry]:
        """Every POST that Meta got, in the order of arrival."""
        return self.simulator.journal.entries

    def register(self, count: int, *, token: str = TOKEN, **more: Any) -> list[Line]:
        """So many tenants, each with a number of its own."""
        lines = []
        for place in range(1, count + 1):
            name, number = f"Tenant {place}", f"{100_000_000_000_000 + place}"
            body = {"name": name, "phoneNumberId": number, "accessToken": token, **more}
            answer = request(f"{self.url}/tenants/register", body=body)
            assert answer.status == 201, answer
            lines.append(Line(answer.json["tenantId"], name, number))
        return lines

    def mongo(self) -> AsyncMongoClient[dict[str, Any]]:
        """A client of the private mongod, for `async with`."""
        return mongo_of(self.up)

    async def posted(self, count: int, *, seconds: float = 40.0) -> None:
        """Return once Meta got so many POSTs."""
        deadline = time.monotonic() + seconds
        while len(self.journal) < count:
            assert time.monotonic() < deadline, f"{len(self.journal)} POSTs, never {count}"
            await asyncio.sleep(0.005)

    async def busy(self, calls: int, *, seconds: float = 20.0) -> None:
        """Return while at least so many POSTs wait for Meta's answer, in that very step."""
        deadline = time.monotonic() + seconds
        while len(self.unanswered()) < calls:
            assert time.monotonic() < deadline, f"never {calls} POSTs under way at once"
            await asyncio.sleep(0.001)

    def unanswered(self) -> frozenset[str]:
        """Ids of the messages whose POST has arrived and is not answered yet.

        Those that were so at an earlier kill are left out: their caller may be gone for good.
        """
        waiting = (e.biz_opaque_callback_data or "" for e in self.journal if not e.answered)
        return frozenset(waiting) - self._abandoned

    def note_kill(self, *roles: str, owner: str | None = None) -> Kill:
        """What is known of a kill that the caller does in this very step."""
        kill = Kill(roles, time.time(), self.unanswered(), owner)
        self._abandoned |= kill.unanswered
        return kill

    def kill(self, *roles: str, owner: str | None = None) -> Kill:
        """SIGKILL all of these in one step; `"up"` is the supervisor itself, and dies first."""
        pids = [self.up.process.pid if role == "up" else self.up.pid_of(role) for role in roles]
        kill = self.note_kill(*roles, owner=owner)
        for role, pid in zip(roles, pids, strict=True):
            assert pid is not None, f"{role} does not run"
            os.kill(pid, signal.SIGKILL)
        if "up" in roles:
            self.up.process.wait()
        return kill

    async def start_again(self) -> None:
        """A new `up` on the same data; returns when it is ready."""
        self.up = await asyncio.to_thread(self._start_again)
        await asyncio.to_thread(self.up.wait_ready)
        assert self.up.url == self.url, "the API's port was not kept"


@asynccontextmanager
async def open_stage(
    start_up: StartUp, *, environment: Mapping[str, str] = QUICK, **simulated: Any
) -> AsyncIterator[Stage]:
    """`simulated` are knobs of the simulator, as in `graphsim.settings`."""
    knobs = {"app_secret": APP_SECRET, "latency_seconds": LATENCY_SECONDS, **simulated}
    started: list[System] = []
    async with Simulator(Settings(**knobs)) as simulator:

        def start() -> System:
            where = {"APP_SECRET": APP_SECRET, "GRAPH_BASE_URL": simulator.base_url}
            started.append(start_up(**{**environment, **where}))
            return started[-1]

        try:
            up = await asyncio.to_thread(lambda: start().wait_ready())
            simulator.settings.webhook_url = f"{up.url}/whatsapp/webhook"
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(connector=connector) as session:
                yield Stage(up, simulator, session, start)
        finally:
            await asyncio.to_thread(_end, started)


def mongo_of(up: System) -> AsyncMongoClient[dict[str, Any]]:
    """A client of the mongod that this `up` started, for `async with`."""
    port = mongod_port(up)
    return AsyncMongoClient(
        f"mongodb://127.0.0.1:{port}/pocdb?directConnection=true", tz_aware=True
    )


def mongod_port(up: System) -> int:
    """The port that is kept in the data directory."""
    return int(json.loads((up.data / "ports.json").read_text())["mongod"])


def log_tails(up: System) -> str:
    """The last lines of everything that it runs but the stores, for a failure's message."""
    texts = {"up": up.printed}
    for path in sorted((up.data / "logs").glob("*.log")):
        if path.stem not in STORES:
            texts[path.stem] = path.read_text(errors="replace")
    tails = {
        name: [line for line in text.splitlines() if USUAL not in line][-LOG_LINES:]
        for name, text in texts.items()
    }
    return "\n".join(f"--- {name}\n" + "\n".join(tail) for name, tail in tails.items())


def _end(started: Sequence[System]) -> None:
    """Leave no process behind, also when an `up` was killed and nobody inherited its children."""
    for up in reversed(started):
        up.end()
    for up in started:
        for record in ProcessRecords(up.data / "processes.json").read():
            record.signal(signal.SIGKILL)
