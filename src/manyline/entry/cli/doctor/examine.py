"""All checks, each on its own: one that fails hides no other."""

import asyncio

from manyline.base.clock import StoreClock
from manyline.base.errors import ManylineError
from manyline.entry.cli.address import api_url
from manyline.entry.cli.client import ApiClient
from manyline.entry.cli.doctor.findings import Finding, State, broken, skipped
from manyline.entry.cli.doctor.mongodb import CLOCK, MONGODB, REPLICA_SET, check_mongodb
from manyline.entry.cli.doctor.place import with_embedded_stores
from manyline.entry.cli.doctor.redis import REDIS, check_redis
from manyline.entry.cli.doctor.serving import API, check_api, check_graph
from manyline.entry.cli.doctor.tenants import (
    LAG,
    SECRETS,
    WORKER,
    every_tenant,
    relay_lag,
    secrets,
    worker_seen,
)
from manyline.infra.heartbeats import Heartbeats
from manyline.infra.mongo import Mongo, open_mongo, read_store_clock
from manyline.infra.redis import RedisServer
from manyline.messages.states import MessageStatus
from manyline.sending.stuck import StuckRepository
from manyline.settings import Settings
from manyline.tenants.repository import TenantRepository

NO_STORE = "{} is not set, and no `manyline up` runs on {}"


async def examine(settings: Settings, *, url: str | None = None) -> list[Finding]:
    """What every check found, in the order in which to read it."""
    settings = with_embedded_stores(settings)
    groups = await asyncio.gather(
        _stored(settings), _redis(settings), _serving(settings, url), _graph(settings)
    )
    return [finding for group in groups for finding in group]


async def _stored(settings: Settings) -> list[Finding]:
    """MongoDB, and what is in it."""
    if settings.mongo_uri is None:
        detail = NO_STORE.format("MONGO_URI", settings.data_dir)
        found = [broken(MONGODB, detail, "set MONGO_URI, or start everything: manyline up")]
        return found + _unasked("MongoDB is not there", REPLICA_SET, CLOCK, SECRETS, WORKER, LAG)
    mongo = open_mongo(settings.mongo_uri.get_secret_value(), app_name="manyline doctor")
    try:
        found = [finding async for finding in check_mongodb(mongo)]
        if found[0].state is State.BROKEN:
            names = (REPLICA_SET, CLOCK, SECRETS, WORKER, LAG)
            return found + _unasked("MongoDB does not answer", *names)
        try:
            return found + await _records(settings, mongo)
        except ManylineError as error:
            fix = "look at MongoDB's log"
            return [*found, broken(SECRETS, error.detail, fix), *_unasked(SECRETS, WORKER, LAG)]
    finally:
        await mongo.close()


async def _records(settings: Settings, mongo: Mongo) -> list[Finding]:
    clock = StoreClock()
    await read_store_clock(mongo, clock)
    tenants = [tenant async for tenant in every_tenant(TenantRepository(mongo.database))]
    seen = await Heartbeats(mongo.database, clock=clock).last_seen("worker")
    outbox, now = StuckRepository(mongo.database), clock.now()
    queued = await outbox.oldest_due(MessageStatus.QUEUED, before=now)
    sending = await outbox.oldest_due(MessageStatus.SENDING, before=now)
    return [
        await secrets(settings, tenants),
        worker_seen(seen, clock),
        relay_lag(queued, sending, tenants, clock),
    ]


async def _redis(settings: Settings) -> list[Finding]:
    if not settings.names_redis:
        detail = NO_STORE.format("REDIS_HOST", settings.data_dir)
        return [broken(REDIS, detail, "set REDIS_HOST, or start everything: manyline up")]
    return [finding async for finding in check_redis(RedisServer.from_settings(settings))]


async def _serving(settings: Settings, url: str | None) -> list[Finding]:
    key = settings.admin_api_key
    try:
        client = ApiClient(
            url or api_url(settings), key=key.get_secret_value() if key else None, seconds=5.0
        )
    except ManylineError as error:
        return [broken(API, error.detail, "manyline up, or manyline api")]
    return await asyncio.to_thread(check_api, client, settings)


async def _graph(settings: Settings) -> list[Finding]:
    return [await asyncio.to_thread(check_graph, settings)]


def _unasked(because: str, *names: str) -> list[Finding]:
    return [skipped(name, because) for name in names]
