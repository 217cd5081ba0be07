"""One run of everything that the product asks of MongoDB, as the server wrote it down."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pymongo import AsyncMongoClient

from graphsim.settings import Settings as SimulatorSettings
from graphsim.simulator import Simulator
from manyline.infra.embedded import EmbeddedServers
from manyline.settings import Settings
from tests.integration.conftest import APP_SECRET, Backend, running_api
from tests.integration.store.call_sites import Site, made_calls
from tests.integration.store.exercise import Scene, exercise, fill

PROFILE = 64 * 1024 * 1024
"""By default the profiler keeps a megabyte, and forgets what came first."""


@dataclass
class Run:
    """What was asked, and what stood in the store afterwards."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    """The product's operations, as `system.profile` has them."""
    calls: set[Site] = field(default_factory=set)
    """Where in the product's code they were asked."""
    indexes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Of every collection."""
    strangers: dict[str, int] = field(default_factory=dict)
    """In every collection: how many documents name no tenant."""


async def one_run(servers: EmbeddedServers, folder: Path) -> Run:
    """The product in this process, on a database of its own, does everything that it can."""
    uri = servers.mongo_uri.replace("/pocdb", f"/test_{secrets.token_hex(6)}")
    run = Run()
    async with AsyncExitStack() as stack:
        client = AsyncMongoClient[dict[str, Any]](uri, tz_aware=True)
        looking = await stack.enter_async_context(client)
        database = looking.get_default_database()
        stack.push_async_callback(looking.drop_database, database.name)
        simulated = SimulatorSettings(app_secret=APP_SECRET, status_delay=0.002)
        simulator = await stack.enter_async_context(Simulator(simulated))
        settings = _settings(servers, uri, folder, graph_base_url=simulator.base_url)
        url = await stack.enter_async_context(running_api(settings))
        simulator.settings.webhook_url = url + "/whatsapp/webhook"
        # Idle connections are dropped before the server drops them.
        connector = aiohttp.TCPConnector(keepalive_timeout=2.0)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        backend = Backend(settings, url, session)
        stack.push_async_callback(backend.close)
        stack.enter_context(_small_and_soon())
        scene = Scene(backend, simulator, database)
        tenants = (await backend.register("111111"), await backend.register("222222"))
        await fill(scene, tenants)
        async with profiled(database, run):
            await exercise(scene, tenants)
    return run


def _settings(servers: EmbeddedServers, uri: str, folder: Path, **more: Any) -> Settings:
    values: dict[str, Any] = {
        "mongo_uri": uri,
        "redis_host": servers.redis_host,
        "redis_port": servers.redis_port,
        "app_secret": APP_SECRET,
        "master_key": "ab" * 32,
        "call_deadline_seconds": 0.5,
        "lease_seconds": 5.5,
        "relay_interval_seconds": 0.1,
        "retry_base_seconds": 0.02,
        "MANYLINE_DATA_DIR": folder,
        **more,
    }
    return Settings(_env_file=None, **values)


@contextmanager
def _small_and_soon() -> Iterator[None]:
    """What takes a large store or a long time happens here with little and at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("manyline.sending.relay.OVERDUE", timedelta(seconds=0.2))
        patch.setattr("manyline.sending.deliver.FEWEST_TAKEN", 2)
        patch.setattr("manyline.sending.deliver.MOST_TAKEN", 2)
        patch.setattr("manyline.tenants.directory.REFRESH_SECONDS", 0.1)
        yield


@asynccontextmanager
async def profiled(database: Any, run: Run) -> AsyncIterator[None]:
    """Everything that the product asks meanwhile goes into the run."""
    await database.create_collection("system.profile", capped=True, size=PROFILE)
    await database.command("profile", 2)
    try:
        with made_calls() as run.calls:
            yield
    finally:
        await database.command("profile", 0)
    ours = {"appName": {"$regex": "^manyline"}}
    run.entries = await database["system.profile"].find(ours).to_list()
    for name in sorted(await database.list_collection_names()):
        if not name.startswith("system."):
            listed = await database[name].list_indexes()
            run.indexes[name] = [dict(index) async for index in listed]
            nobodys = {"tenantId": {"$not": {"$type": "objectId"}}}
            run.strangers[name] = await database[name].count_documents(nobodys)
