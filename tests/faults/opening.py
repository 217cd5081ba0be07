"""Puts up a row's stage: stores, Meta, api and worker processes; takes all of it down again."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from graphsim.settings import Settings
from graphsim.simulator import Simulator
from manyline.infra.embedded.ports import KeptPorts
from tests.e2e.proof.stage import APP_SECRET, LATENCY_SECONDS
from tests.e2e.proof.talk import WEBHOOK
from tests.e2e.system import bare_environment
from tests.faults.disk import open_disk
from tests.faults.hosts import META, Hosts
from tests.faults.network import open_network
from tests.faults.processes import Process
from tests.faults.stage import LEASE_SECONDS, ROOT, Role, Stage
from tests.faults.stores import ReplicaSet, Valkey

QUICK = {
    "CALL_DEADLINE_SECONDS": "2",
    "LEASE_SECONDS": f"{LEASE_SECONDS:g}",
    "RELAY_INTERVAL_SECONDS": "0.5",
    "RETRY_BASE_SECONDS": "0.2",
}
"""Times short enough that what a kill leaves behind comes to rest within a row."""


@asynccontextmanager
async def open_stage(
    directory: Path,
    *,
    apis: int = 2,
    workers: int = 2,
    nodes: int = 1,
    armed: Sequence[Role] = (),
    network: bool = False,
    disks: Mapping[str, int] | None = None,
    change: Mapping[Role, str] | None = None,
    simulated: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Stage]:
    """Everything started and ready, in an empty directory of its own; nothing is left behind.

    Raises `NotPlayableError` when this machine gives no network or no disks, see `Row`.
    """
    (directory / "logs").mkdir()
    ports = KeptPorts(directory / "ports.json")
    counts = {"mongod": nodes, "api": apis, "worker": workers}
    knobs = {"app_secret": APP_SECRET, "latency_seconds": LATENCY_SECONDS, **(simulated or {})}
    async with AsyncExitStack() as held:
        hosts = held.enter_context(open_network(_names(counts))) if network else Hosts()
        small = {
            name: held.enter_context(open_disk(directory / name, megabytes))
            for name, megabytes in (disks or {}).items()
        }
        simulator = Simulator(Settings(**knobs), host=hosts.address(META))
        connector = aiohttp.TCPConnector(limit=0)
        stage = Stage(
            directory=directory,
            hosts=hosts,
            disks=small,
            mongods=ReplicaSet(directory, ports, hosts, nodes=nodes),
            valkey=Valkey(directory, ports, hosts),
            simulator=await held.enter_async_context(simulator),
            session=await held.enter_async_context(aiohttp.ClientSession(connector=connector)),
        )
        settings = _settings(stage) | dict(environment or {})
        roles: list[Role] = ["api"] * apis + ["worker"] * workers  # type: ignore[assignment]
        for role in roles:
            changed = (change or {}).get(role)
            _add(stage, role, settings, ports, armed=role in armed, change=changed)
        async with _started(stage):
            yield stage


@asynccontextmanager
async def _started(stage: Stage) -> AsyncIterator[None]:
    """Every process of it, as long as the block lasts."""
    try:
        await asyncio.gather(stage.mongods.open(), stage.valkey.open())
        await stage.start(*stage.apis, *stage.workers)
        stage.simulator.settings.webhook_url = stage.url + WEBHOOK
        yield
    finally:
        for process in stage.everything():
            process.end()


def _names(counts: Mapping[str, int]) -> list[str]:
    """Of all processes, as they are named on the stage."""
    numbered = [f"{role}-{place + 1}" for role, count in counts.items() for place in range(count)]
    return ["valkey", *numbered]


def _settings(stage: Stage) -> dict[str, str]:
    """Of api and worker; nothing of the caller's own settings."""
    return bare_environment() | {
        **QUICK,
        "MANYLINE_DATA_DIR": str(stage.directory / "data"),
        "MONGO_URI": stage.mongods.uri,
        "REDIS_HOST": stage.valkey.address,
        "REDIS_PORT": str(stage.valkey.port),
        "GRAPH_BASE_URL": stage.hosts.graph_url(stage.simulator.base_url),
        "APP_SECRET": APP_SECRET,
        "MASTER_KEY": secrets.token_hex(32),
        # This tree's product, wherever the one that is installed lies.
        "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}",
    }


def _add(
    stage: Stage,
    role: Role,
    settings: Mapping[str, str],
    ports: KeptPorts,
    *,
    armed: bool,
    change: str | None,
) -> None:
    """One process more of a role; its name, its port and its fuse are its own over all lives."""
    name = f"{role}-{1 + len(stage.apis if role == 'api' else stage.workers)}"
    own = {"FAULTS_FUSE": str(stage.fuse_of(name))}
    port = ports.claim(name) if role == "api" else None
    if port is not None:
        own |= {"HOST": stage.hosts.address(name), "PORT": str(port)}
        own["ALLOW_OPEN_BIND"] = str(stage.hosts.open_bind).lower()
    if change is not None:
        own["FAULTS_CHANGE"] = change
    launcher = "tests.faults.armed" if armed or change else "manyline"
    process = Process(
        name,
        stage.hosts.command(name, [sys.executable, "-m", launcher, role]),
        environment={**settings, **own},
        log=stage.directory / "logs" / f"{name}.log",
        cwd=stage.directory,
    )
    stage.add(process, port=port)
