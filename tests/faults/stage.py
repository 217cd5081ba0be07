"""The stage of every row: real stores, api and worker processes, Meta inside this process.

The simulator runs in the runner's own event loop, so its journal can be read in the same step in
which a process is killed. Everything else is a process of its own, started by the product's own
commands; of the roles in `Row.armed` by the launcher `armed`, which runs the same commands.
"""

import asyncio
import itertools
import json
import random
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import aiohttp
from pymongo import AsyncMongoClient

from graphsim.fault_rules import read_rules
from graphsim.journal import Entry
from graphsim.simulator import Simulator
from tests.e2e.proof.stage import TOKEN, Kill, Line
from tests.e2e.proof.stage import Stage as ProofStage
from tests.e2e.proof.talk import WEBHOOK, Talk
from tests.faults.armed import note_beside
from tests.faults.hosts import Hosts
from tests.faults.load import END_SECONDS, Conversation, Talking
from tests.faults.processes import Process, until
from tests.faults.stores import ReplicaSet, Valkey

if TYPE_CHECKING:
    # They say what a row needs of the machine, and know rows; rows know the stage.
    from tests.faults.disk import Disk
    from tests.faults.network import Network

ROOT = Path(__file__).parents[2]
LEASE_SECONDS = 7.0
READY_SECONDS = 40.0
READY = {"api": re.compile(r"api\.ready"), "worker": re.compile(r"worker\.ready.*?owner=(\S+)")}
TENANTS = 4
CUSTOMERS = 8
"""Of each tenant."""

Role = Literal["api", "worker"]
Moment = Literal["before", "after"]


class Stage:
    """What a row works with; `opening` puts one up."""

    def __init__(
        self,
        *,
        directory: Path,
        hosts: Hosts,
        disks: Mapping[str, "Disk"],
        mongods: ReplicaSet,
        valkey: Valkey,
        simulator: Simulator,
        session: aiohttp.ClientSession,
    ) -> None:
        self.directory = directory
        self.hosts = hosts
        """Where each process runs; `network` when a row asked for one."""
        self.disks = disks
        """Small file systems, by the directories of `Row.disks`."""
        self.mongods = mongods
        self.valkey = valkey
        self.simulator = simulator
        self.session = session
        self.apis: list[Process] = []
        self.workers: list[Process] = []
        self.lines: list[Line] = []
        self.talks: list[Talk] = []
        """Everybody who was promised something; a row appends those of its own making."""
        self.refused = 0
        """Times that somebody had to ask again."""
        self.dice = random.Random(0)
        """Seeded by the row and the run: what a row draws, the same seed draws again."""
        self.kills: list[Kill] = []
        self.refused_from: list[float] = []
        """When Meta's address was closed (Unix seconds)."""
        self.unread = 0
        """POSTs that were reset before they were read, by rules that hold no more."""
        self.failed_statuses: dict[str, int] = {}
        """Customers of whose messages Meta reports that they came to nothing: with this code."""
        self.without_statuses: set[str] = set()
        """Customers of whose messages Meta reports nothing."""
        self.rested_after: float | None = None
        """Seconds from the first wish for rest to rest."""
        self._urls: dict[str, str] = {}
        self._turns = itertools.count()
        self._customers = itertools.count(919_000_000_001)
        self._abandoned: frozenset[str] = frozenset()

    @property
    def network(self) -> "Network":
        """To be cut; of a row with `network=True`."""
        return cast("Network", self.hosts)

    # What the system is asked by

    @property
    def url(self) -> str:
        """Of an API process that runs, each in turn: what a load balancer does."""
        running = [api for api in self.apis if api.alive] or self.apis
        return self._urls[running[next(self._turns) % len(running)].name]

    def url_of(self, api: Process) -> str:
        """Of this one."""
        return self._urls[api.name]

    @property
    def journal(self) -> list[Entry]:
        """Every POST that Meta got, in the order of arrival."""
        return self.simulator.journal.entries

    @property
    def as_proof(self) -> ProofStage:
        """For the talks and the oracle of `tests.e2e.proof`, which ask a stage for its `url`,
        `session`, `journal` and `mongo()` and nothing else."""
        return cast("ProofStage", self)

    def mongo(self) -> AsyncMongoClient[dict[str, Any]]:
        """A client of the replica set, for `async with`."""
        return self.mongods.client()

    async def register(self, count: int, **more: Any) -> list[Line]:
        """So many tenants more, each with a number of its own; `more` goes into the request."""
        lines = []
        for _ in range(count):
            place = len(self.lines) + 1
            name, number = f"Tenant {place}", f"{100_000_000_000_000 + place}"
            body = {"name": name, "phoneNumberId": number, "accessToken": TOKEN, **more}
            async with self.session.post(f"{self.url}/tenants/register", json=body) as answer:
                given = await answer.json()
                assert answer.status == 201, given
            lines.append(Line(given["tenantId"], name, number))
            self.lines.append(lines[-1])
        return lines

    async def patch(self, line: Line, **changes: Any) -> None:
        """PATCH a tenant."""
        async with self.session.patch(
            f"{self.url}/tenants/{line.tenant_id}", json=changes
        ) as answer:
            assert answer.status == 200, await answer.text()

    def new_customer(self) -> str:
        """A number that nobody has yet, as Meta writes it."""
        return str(next(self._customers))

    # Load

    @asynccontextmanager
    async def load(
        self, *, tenants: int = TENANTS, customers: int = CUSTOMERS
    ) -> AsyncIterator[Talking]:
        """A load that runs beside the block, until the block has ended and a turn longer.

        On new tenants, each with so many customers. It asks every API process in turn.
        """
        lines = await self.register(tenants)
        conversations = [
            Conversation(self.as_proof, line, self.new_customer())
            for _ in range(customers)
            for line in lines
        ]
        self.talks += [one.talk for one in conversations]
        talking = Talking(conversations, before_turn=self._next_for_statuses)
        running = asyncio.create_task(talking.run())
        try:
            yield talking
            talking.end()
            async with asyncio.timeout(END_SECONDS):
                await running
        finally:
            running.cancel()
            await asyncio.wait([running])
            self.refused += talking.refused

    def _next_for_statuses(self) -> None:
        """Meta's own deliveries go to every API process in turn as well."""
        self.simulator.settings.webhook_url = self.url + WEBHOOK

    # What is done to Meta

    def fault(self, *rules: Mapping[str, Any]) -> None:
        """Rules besides those in force, written as in `graphsim.fault_rules`."""
        self.simulator.faults.add(*read_rules([dict(rule) for rule in rules]))

    def no_more_faults(self) -> None:
        """From now on Meta does as it should."""
        self.unread += self._unread_in_force()
        self.simulator.faults.clear()

    @property
    def resets_unread(self) -> int:
        """POSTs that were reset before they were read: they are not in the journal."""
        return self.unread + self._unread_in_force()

    def _unread_in_force(self) -> int:
        listing = self.simulator.faults.listing()
        return sum(r["struck"] for r in listing if r["fault"].get("point") == "before_read")

    @asynccontextmanager
    async def unreachable(self) -> AsyncIterator[None]:
        """Inside the block nobody answers at Meta's address."""
        self.refused_from.append(time.time())
        async with self.simulator.refusing():
            yield

    # What is done to processes

    def unanswered(self) -> frozenset[str]:
        """Ids of messages whose POST has arrived and is not answered, but for callers long dead."""
        waiting = (e.biz_opaque_callback_data or "" for e in self.journal if not e.answered)
        return frozenset(waiting) - self._abandoned

    async def busy(self, calls: int = 1, *, seconds: float = 20.0) -> None:
        """Return while at least so many POSTs wait for Meta's answer, in that very step."""
        await until(
            lambda: len(self.unanswered()) >= calls,
            seconds=seconds,
            what=f"{calls} POSTs under way at once",
            poll=0.001,
        )

    def note_kill(self, *names: str, at: float | None = None, owner: str | None = None) -> Kill:
        """What is known of an end that comes in this very step, or came `at` that time."""
        kill = Kill(names, at or time.time(), self.unanswered(), owner)
        self._abandoned |= kill.unanswered
        self.kills.append(kill)
        return kill

    def kill(self, process: Process) -> Kill:
        """SIGKILL a process in this very step; `start` begins its next life."""
        kill = self.note_kill(process.name, owner=self.owner(process))
        process.kill()
        return kill

    async def start(self, *processes: Process) -> None:
        """Begin a life of each; return when it serves, or takes jobs."""
        for process in processes:
            process.start()
        for process in processes:
            await self.ready(process)

    async def ready(self, process: Process) -> None:
        """Return when it has said so; fail with its last lines when it ends instead."""
        wanted = READY[process.name.rpartition("-")[0]]

        def is_ready() -> bool:
            said = process.said
            assert process.alive, f"{process.name} ended:\n{said[-2000:]}"
            return wanted.search(said) is not None

        await until(is_ready, seconds=READY_SECONDS, what=f"{process.name} to be ready")

    async def restart(self, process: Process) -> None:
        """An orderly stop and a new life, as an update does it."""
        assert await process.stop() == 0, f"{process.name} did not end well when asked to"
        await self.start(process)

    def owner(self, process: Process) -> str | None:
        """The name under which a worker's present life claims; None of an API process."""
        found = READY["worker"].search(process.said)
        return found[1] if found else None

    # Fuses

    def arm(
        self,
        process: Process,
        place: str,
        moment: Moment,
        *,
        nth: int = 1,
        deed: Literal["kill", "freeze"] = "kill",
    ) -> None:
        """Let a process end itself at the n-th passing of a place from now on, see `armed`."""
        wanted = {"place": place, "moment": moment, "nth": nth, "deed": deed}
        fuse = self.fuse_of(process.name)
        laid = fuse.with_suffix(".laying")
        laid.write_text(json.dumps(wanted))
        laid.rename(fuse)

    async def burnt(self, process: Process, *, seconds: float = 30.0) -> Kill:
        """Wait until its fuse has burnt down, and note when that was."""
        note = note_beside(self.fuse_of(process.name))
        owner = self.owner(process)

        def is_over() -> bool:
            return note.exists() and (not process.alive or process.frozen)

        await until(is_over, seconds=seconds, what=f"{process.name} to reach its place")
        at = float(json.loads(note.read_text())["at"])
        note.unlink()
        return self.note_kill(process.name, at=at, owner=owner)

    def fuse_of(self, name: str) -> Path:
        """Where a process of this name looks for its fuse."""
        return self.directory / f"{name}.fuse"

    # Putting it up

    def add(self, process: Process, *, port: int | None = None) -> None:
        """One process more, not started yet; an API process with the port it listens on."""
        if port is None:
            self.workers.append(process)
        else:
            self.apis.append(process)
            self._urls[process.name] = f"http://{self.hosts.address(process.name)}:{port}"

    def everything(self) -> Sequence[Process]:
        """In the order in which they are ended."""
        return [*self.apis, *self.workers, self.valkey, *self.mongods.nodes]
