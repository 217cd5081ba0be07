"""What every process stands on: stores, clock, queue and tenants, opened in order."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import CollectorRegistry

from manyline.accounts.repository import AccountEventRepository
from manyline.base.background import Background
from manyline.base.clock import StoreClock
from manyline.base.errors import SettingsError
from manyline.base.ids import new_token
from manyline.conversations.repository import ConversationRepository
from manyline.customers.repository import CustomerRepository
from manyline.inbound.ledger.repository import LedgerRepository
from manyline.inbound.quarantine.repository import QuarantineRepository
from manyline.inbound.repository import ParkedStatusRepository
from manyline.infra.heartbeats import Heartbeats
from manyline.infra.mongo import (
    Mongo,
    follow_store_clock,
    open_mongo,
    read_store_clock,
    wait_for_mongo,
)
from manyline.infra.one_wait import Terms
from manyline.infra.redis import RedisServer
from manyline.messages.repository import MessageRepository
from manyline.queue.producer import WakeQueue
from manyline.queue.waker import Waker
from manyline.sending.wakes import Wakes
from manyline.settings import Settings, decode_master_key
from manyline.tenants.directory import TenantDirectory
from manyline.tenants.repository import TenantRepository
from manyline.tenants.service import TenantService
from manyline.vault.development_key import development_key
from manyline.vault.envelope import Vault
from manyline.vault.keyring import LocalKeyring

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Foundation:
    """What every process stands on: the store, its clock, the queue's producer, the tenants."""

    settings: Settings
    owner: str
    mongo: Mongo
    clock: StoreClock
    heartbeats: Heartbeats
    queue: WakeQueue
    wakes: Wakes
    tenants: TenantService
    directory: TenantDirectory
    registry: CollectorRegistry
    background: Background


@asynccontextmanager
async def open_foundation(
    settings: Settings, *, role: str, progress: Progress, terms: Terms | None = None
) -> AsyncIterator[Foundation]:
    """All of it, opened; `terms`, if given, hear of every write to MongoDB.

    Raises `SettingsError` and `StoreUnavailableError`.
    """
    owner = new_token(role)
    clock = StoreClock()
    async with AsyncExitStack() as stack:
        mongo = _mongo(settings, role, terms)
        stack.push_async_callback(mongo.close)
        await wait_for_mongo(mongo, seconds=settings.store_connect_seconds, progress=progress)
        await read_store_clock(mongo, clock)
        heartbeats = Heartbeats(mongo.database, clock=clock)
        await _ensure_indexes(mongo, heartbeats)
        queue = WakeQueue(redis=RedisServer.from_settings(settings))
        stack.push_async_callback(queue.close)
        waker = Waker(queue)
        stack.push_async_callback(waker.stop)
        repository = TenantRepository(mongo.database)
        directory = TenantDirectory(repository=repository, clock=clock)
        background = Background()
        stack.push_async_callback(background.stop)
        background.start("tenant-directory", directory.follow_changes())
        background.start("store-clock", follow_store_clock(mongo, clock))
        yield Foundation(
            settings=settings,
            owner=owner,
            mongo=mongo,
            clock=clock,
            heartbeats=heartbeats,
            queue=queue,
            wakes=Wakes(waker),
            tenants=TenantService(
                repository=repository,
                vault=Vault(_keyring(settings)),
                clock=clock,
                mock_allowed=not settings.in_production,
            ),
            directory=directory,
            registry=CollectorRegistry(),
            background=background,
        )


def _mongo(settings: Settings, role: str, terms: Terms | None) -> Mongo:
    if settings.mongo_uri is None:
        raise SettingsError(
            "MONGO_URI is not set, so there is no MongoDB to work with; set it, or use"
            " `manyline up`, which starts a private one"
        )
    return open_mongo(
        settings.mongo_uri.get_secret_value(),
        app_name=f"manyline {role}",
        watch=terms,
    )


def _keyring(settings: Settings) -> LocalKeyring:
    keys = [decode_master_key(key.get_secret_value()) for key in settings.master_key]
    return LocalKeyring(keys or [development_key(settings.data_dir)])


async def _ensure_indexes(mongo: Mongo, heartbeats: Heartbeats) -> None:
    database = mongo.database
    await TenantRepository(database).ensure_indexes()
    await CustomerRepository(database).ensure_indexes()
    await ConversationRepository(database).ensure_indexes()
    await MessageRepository(database).ensure_indexes()
    await AccountEventRepository(database).ensure_indexes()
    await ParkedStatusRepository(database).ensure_indexes()
    await QuarantineRepository(database, kept_for=timedelta(0)).ensure_indexes()
    await LedgerRepository(database).ensure_indexes()
    await heartbeats.ensure_indexes()
