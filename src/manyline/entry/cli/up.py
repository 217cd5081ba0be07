"""`manyline up`: bring everything up, keep it up, and take it down in reverse order.

Stages: take the data directory, end what a killed `up` left behind, start the stores and beside
them api and worker (which wait for the stores), say that all is ready, wait, stop.
"""

import asyncio
import signal
from collections.abc import Coroutine
from time import monotonic
from typing import Any

from manyline.base.errors import SettingsError
from manyline.entry.cli.announce import announce
from manyline.entry.cli.plan import Plan, make_plan
from manyline.entry.cli.readiness import ask, is_ready, missing
from manyline.entry.cli.terminal import Terminal
from manyline.infra.embedded.answering import listens, until
from manyline.infra.embedded.child import Child, Command
from manyline.infra.embedded.directory import DataDirectory
from manyline.infra.embedded.errors import StartError
from manyline.infra.embedded.logs import LogFollower
from manyline.infra.embedded.mongod import Mongod
from manyline.infra.embedded.orphans import end_orphans
from manyline.infra.embedded.ports import LOOPBACK, KeptPorts
from manyline.infra.embedded.records import ProcessRecords
from manyline.infra.embedded.servers import Server
from manyline.infra.embedded.supervise import Supervisor
from manyline.infra.embedded.valkey import Valkey
from manyline.settings import Settings

READY_MARGIN_SECONDS = 30.0
ASK_AGAIN_SECONDS = 0.05
REMIND_SECONDS = 5.0
SHOWN = ("api", "worker")
# In this order, each with its seconds before SIGKILL: 9 in all, of the 10 that a stop may take.
# A worker needs 7 for the calls that are under way; both stores survive SIGKILL.
STAGES = ((("worker", "api"), 7.0), (("simulator",), 0.5), (("valkey", "mongod"), 1.5))


class _StopAsked(Exception):  # noqa: N818 - a turn of events, not an error
    """Ctrl-C, SIGTERM, or the terminal was closed."""


class _StopSignals:
    """The first asks for an orderly stop, the second for an immediate one."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._heard)

    def _heard(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


class Up:
    """One run of `manyline up`."""

    def __init__(
        self,
        settings: Settings,
        *,
        with_simulator: bool,
        reload: bool = False,
        terminal: Terminal | None = None,
    ) -> None:
        self._settings = settings
        self._with_simulator = with_simulator
        self._reload = reload
        self._terminal = terminal or Terminal()
        self._followers: list[LogFollower] = []
        self._following: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Return after an orderly stop; raise `ManylineError` when it cannot start or go on."""
        self._refuse_keys_to_no_redis()
        if self._with_simulator and self._settings.in_production:
            raise SettingsError(
                "--simulator is for ENVIRONMENT=development: in production its answers would be"
                " taken for Meta's"
            )
        directory = DataDirectory.open(self._settings.data_dir)
        with directory.lock():
            signals = _StopSignals()
            supervisor = Supervisor(self._terminal.say)
            self._records = ProcessRecords(directory.processes_file)
            try:
                await self._run_until(signals, supervisor, self._serve(directory, supervisor))
            except _StopAsked:
                self._terminal.say("Stopping (once more: at once) ...")
            finally:
                await self._take_down(signals, supervisor)
                self._terminal.say("Stopped.")

    def _refuse_keys_to_no_redis(self) -> None:
        settings = self._settings
        keys = {
            "REDIS_USERNAME": settings.redis_username,
            "REDIS_PASSWORD": settings.redis_password,
            "REDIS_TLS": settings.redis_tls,
        }
        given = ", ".join(name for name, value in keys.items() if value)
        if given and not settings.names_redis:
            raise SettingsError(
                f"{given} is set but REDIS_HOST is not, nor is REDIS_SENTINELS: the private Valkey"
                " has no password and no TLS; say where your Redis is, or take that away"
            )

    async def _run_until(
        self, signals: _StopSignals, supervisor: Supervisor, work: Coroutine[Any, Any, None]
    ) -> None:
        """Run `work` until a stop is asked for or a child is beyond help; both raise."""
        task = asyncio.create_task(work)
        asked = asyncio.create_task(signals.first.wait())
        lost = asyncio.create_task(supervisor.beyond_help())
        try:
            await asyncio.wait({task, asked, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (task, asked, lost):
                one.cancel()
            await asyncio.gather(task, asked, lost, return_exceptions=True)
        if not asked.cancelled():
            raise _StopAsked
        if not lost.cancelled():
            raise lost.result()
        task.result()

    async def _serve(self, directory: DataDirectory, supervisor: Supervisor) -> None:
        began = monotonic()
        self._terminal.say(f"Starting Manyline on the data in {directory.root}")
        for role in await end_orphans(self._records):
            self._terminal.step(role, "was still running without its `up`; ended")
        ports = KeptPorts(directory.ports_file)
        stores, where = self._stores(directory, ports)
        plan = make_plan(
            self._settings,
            directory,
            ports,
            with_simulator=self._with_simulator,
            stores=where,
            reload=self._reload,
        )
        try:
            async with asyncio.TaskGroup() as group:
                for store in stores:
                    group.create_task(self._start_store(store, supervisor))
                group.create_task(self._start_parts(plan, supervisor))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        for follower in self._followers:
            follower.catch_up()
        announce(plan, self._terminal, monotonic() - began)
        await asyncio.get_running_loop().create_future()

    def _stores(
        self, directory: DataDirectory, ports: KeptPorts
    ) -> tuple[list[Server], dict[str, str]]:
        """Those that are not set to be elsewhere, and where they will be, as settings."""
        stores: list[Server] = []
        where: dict[str, str] = {}
        if self._settings.mongo_uri is None:
            mongod = Mongod(directory, ports, self._records)
            mongod.prepare()
            where["MONGO_URI"] = mongod.uri
            stores.append(mongod)
        else:
            self._terminal.step("mongod", "not started: MONGO_URI names one")
        if not self._settings.names_redis:
            valkey = Valkey(directory, ports, self._records)
            valkey.prepare()
            where |= {"REDIS_HOST": valkey.host, "REDIS_PORT": str(valkey.port)}
            stores.append(valkey)
        else:
            self._terminal.step("valkey", "not started: the settings name one")
        return stores, where

    async def _start_store(self, store: Server, supervisor: Supervisor) -> None:
        began = monotonic()
        child = await store.start()
        supervisor.watch(child, store.spawn)
        self._terminal.step(store.role, f"ready on {store.address} ({monotonic() - began:.1f} s)")

    async def _start_parts(self, plan: Plan, supervisor: Supervisor) -> None:
        """Everything of ours at once: each takes about a second only to import what it needs."""
        simulator = None
        if plan.simulator_port is not None:
            simulator = self._start_part(plan.simulator(), supervisor)
        for role in SHOWN:
            self._start_part(plan.part(role), supervisor)
        if simulator is not None:
            await until(simulator, lambda: listens(LOOPBACK, plan.simulator_port or 0))
            self._terminal.step("simulator", f"ready on {plan.simulator_url}")
        await self._everything_ready(plan)

    def _start_part(self, command: Command, supervisor: Supervisor) -> Child:
        if command.role in SHOWN:
            follower = LogFollower(command.log, self._terminal.lines_of(command.role))
            self._followers.append(follower)
            self._following.append(asyncio.create_task(follower.follow()))
        child = Child(command, self._records)
        supervisor.watch(child, lambda: Child(command, self._records))
        return child

    async def _everything_ready(self, plan: Plan) -> None:
        """Wait until the API says that stores and worker are there; say what is not."""
        patience = self._settings.store_connect_seconds + READY_MARGIN_SECONDS
        deadline, remind = monotonic() + patience, monotonic() + REMIND_SECONDS
        while not is_ready(answer := await ask(plan.reach, plan.port)):
            if monotonic() > deadline:
                raise StartError(
                    f"not everything was ready within {patience:.0f} s ({missing(answer)});"
                    f" the logs are in {plan.directory.logs}"
                )
            if monotonic() > remind:
                self._terminal.say(f"  waiting: {missing(answer)}")
                remind += REMIND_SECONDS
            await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def _take_down(self, signals: _StopSignals, supervisor: Supervisor) -> None:
        """Stop what runs, stage by stage; a second signal ends all of it at once."""
        await supervisor.release()
        children = supervisor.children
        orderly = asyncio.create_task(_stop_in_stages(children))
        impatient = asyncio.create_task(signals.second.wait())
        await asyncio.wait({orderly, impatient}, return_when=asyncio.FIRST_COMPLETED)
        if not orderly.done():
            for child in children.values():
                child.kill_now()
        impatient.cancel()
        await asyncio.gather(orderly, impatient, return_exceptions=True)
        for following in self._following:
            following.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)


async def _stop_in_stages(children: dict[str, Child]) -> None:
    for roles, grace in STAGES:
        running = [children[role] for role in roles if role in children]
        await asyncio.gather(*(child.stop(grace) for child in running))
