"""The only place where objects are built and wired; opened in order, closed in reverse."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import CollectorRegistry

from manyline.base.background import Background
from manyline.base.clock import StoreClock
from manyline.base.errors import SettingsError
from manyline.base.ids import new_token
from manyline.conversations.repository import ConversationRepository
from manyline.customers.repository import CustomerRepository
from manyline.customers.service import CustomerService
from manyline.events.hub import EventHub
from manyline.events.repository import ChangeRepository
from manyline.inbound.commit import InboundCommit
from manyline.inbound.receive import Receiver
from manyline.inbound.repository import (
    ParkedStatusRepository,
    QuarantineRepository,
    StatusRepository,
)
from manyline.inbound.statuses import StatusBoard
from manyline.infra.heartbeats import Heartbeats
from manyline.infra.mongo import (
    Mongo,
    follow_store_clock,
    open_mongo,
    read_store_clock,
    wait_for_mongo,
)
from manyline.infra.redis import RedisServer, open_quick_redis
from manyline.infra.single_holder import SingleHolder
from manyline.limits.buckets import NumberBuckets
from manyline.messages.repository import MessageRepository
from manyline.meta.graph import GraphClient
from manyline.observability.metrics import HttpMetrics, InboundMetrics, SendingMetrics
from manyline.queue.producer import WakeQueue
from manyline.queue.waker import Waker
from manyline.queue.worker import WorkerShell
from manyline.sending.accept import Acceptor
from manyline.sending.calls import CallRules, Calls
from manyline.sending.deliver import Deliverer
from manyline.sending.flight import Flight
from manyline.sending.relay import Relay
from manyline.sending.repository import OutboxRepository
from manyline.sending.retry import Backoff
from manyline.sending.settle import Settler
from manyline.sending.tokens import Tokens
from manyline.sending.wakes import Wakes
from manyline.settings import Settings, decode_master_key
from manyline.tenants.directory import TenantDirectory
from manyline.tenants.repository import TenantRepository
from manyline.tenants.service import TenantService
from manyline.vault.development_key import development_key
from manyline.vault.envelope import Vault
from manyline.vault.keyring import LocalKeyring

# Longer than a round and the pause after it; short, since a killed holder leaves it to run out.
RELAY_TERM = timedelta(seconds=12)
STOP_CALLS_SECONDS = 4.0

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


@dataclass(frozen=True, slots=True)
class ApiRuntime:
    """What the HTTP API calls."""

    foundation: Foundation
    receiver: Receiver
    acceptor: Acceptor
    messages: MessageRepository
    conversations: ConversationRepository
    customers: CustomerRepository
    events: EventHub
    http_metrics: HttpMetrics


@dataclass(frozen=True, slots=True)
class WorkerRuntime:
    """What the worker process runs."""

    foundation: Foundation
    shell: WorkerShell
    calls: Calls
    relay: Relay
    statuses: StatusBoard
    relay_role: SingleHolder


@asynccontextmanager
async def open_api(settings: Settings, *, progress: Progress) -> AsyncIterator[ApiRuntime]:
    """Everything the API needs, connected; raises `SettingsError`, `StoreUnavailableError`."""
    async with _open_foundation(settings, role="api", progress=progress) as foundation:
        metrics = InboundMetrics(foundation.registry)
        database = foundation.mongo.database
        people = CustomerRepository(database)
        customers = CustomerService(repository=people, clock=foundation.clock)
        conversations = ConversationRepository(database)
        messages = MessageRepository(database)
        commit = InboundCommit(
            customers=customers,
            conversations=conversations,
            messages=messages,
            statuses=_status_board(foundation, metrics),
            quarantine=QuarantineRepository(database),
            clock=foundation.clock,
            metrics=metrics,
        )
        acceptor = Acceptor(
            customers=customers,
            conversations=conversations,
            messages=messages,
            wakes=foundation.wakes,
            clock=foundation.clock,
        )
        app_secret = settings.app_secret
        receiver = Receiver(
            app_secret=app_secret.get_secret_value() if app_secret else None,
            directory=foundation.directory,
            commit=commit,
            wakes=foundation.wakes,
            clock=foundation.clock,
            metrics=metrics,
        )
        events = EventHub(
            changes=ChangeRepository(database),
            messages=messages,
            tenants=TenantRepository(database),
        )
        yield ApiRuntime(
            foundation=foundation,
            receiver=receiver,
            acceptor=acceptor,
            messages=messages,
            conversations=conversations,
            customers=people,
            events=events,
            http_metrics=HttpMetrics(foundation.registry),
        )
        await events.close()
        await commit.drained()
        await acceptor.drained()


@asynccontextmanager
async def open_worker(settings: Settings, *, progress: Progress) -> AsyncIterator[WorkerRuntime]:
    """Everything the worker needs, connected; raises `SettingsError`, `StoreUnavailableError`."""
    async with (
        _open_foundation(settings, role="worker", progress=progress) as foundation,
        AsyncExitStack() as stack,
    ):
        graph = GraphClient(
            base_url=settings.graph_base_url,
            version=settings.whatsapp_api_version,
            deadline_seconds=settings.call_deadline_seconds,
        )
        stack.push_async_callback(graph.close)
        limits_redis = open_quick_redis(RedisServer.from_settings(settings))
        stack.push_async_callback(limits_redis.aclose)
        yield _wire_worker(foundation, graph, NumberBuckets(limits_redis))


def _wire_worker(
    foundation: Foundation, graph: GraphClient, buckets: NumberBuckets
) -> WorkerRuntime:
    settings, clock = foundation.settings, foundation.clock
    metrics = SendingMetrics(foundation.registry)
    outbox = OutboxRepository(foundation.mongo.database)
    flight = Flight(capacity=settings.worker_in_flight, on_room=foundation.wakes.wake_number)
    settler = Settler(outbox=outbox, wakes=foundation.wakes, clock=clock, metrics=metrics)
    calls = Calls(
        graph=graph,
        tokens=Tokens(foundation.tenants),
        settler=settler,
        flight=flight,
        rules=CallRules(
            deadline=timedelta(seconds=settings.call_deadline_seconds),
            expiry=timedelta(seconds=settings.message_expiry_seconds),
            backoff=Backoff(settings.retry_base_seconds),
            mock_allowed=not settings.in_production,
        ),
        clock=clock,
        metrics=metrics,
    )
    deliverer = Deliverer(
        outbox=outbox,
        directory=foundation.directory,
        buckets=buckets,
        flight=flight,
        calls=calls,
        wakes=foundation.wakes,
        clock=clock,
        lease=timedelta(seconds=settings.lease_seconds),
        owner=foundation.owner,
    )
    relay = Relay(
        outbox=outbox,
        directory=foundation.directory,
        settler=settler,
        wakes=foundation.wakes,
        clock=clock,
        metrics=metrics,
    )
    return WorkerRuntime(
        foundation=foundation,
        shell=WorkerShell(redis=RedisServer.from_settings(settings), handlers=deliverer),
        calls=calls,
        relay=relay,
        statuses=_status_board(foundation, InboundMetrics(foundation.registry)),
        relay_role=SingleHolder(
            foundation.mongo.database,
            name="relay",
            owner=foundation.owner,
            term=RELAY_TERM,
            clock=clock,
        ),
    )


@asynccontextmanager
async def _open_foundation(
    settings: Settings, *, role: str, progress: Progress
) -> AsyncIterator[Foundation]:
    owner = new_token(role)
    clock = StoreClock()
    async with AsyncExitStack() as stack:
        mongo = _mongo(settings, role)
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


def _mongo(settings: Settings, role: str) -> Mongo:
    if settings.mongo_uri is None:
        raise SettingsError(
            "MONGO_URI is not set, so there is no MongoDB to work with; set it, or use"
            " `manyline up`, which starts a private one"
        )
    return open_mongo(settings.mongo_uri.get_secret_value(), app_name=f"manyline {role}")


def _keyring(settings: Settings) -> LocalKeyring:
    keys = [decode_master_key(key.get_secret_value()) for key in settings.master_key]
    return LocalKeyring(keys or [development_key(settings.data_dir)])


def _status_board(foundation: Foundation, metrics: InboundMetrics) -> StatusBoard:
    database = foundation.mongo.database
    return StatusBoard(
        statuses=StatusRepository(database),
        parked=ParkedStatusRepository(database),
        clock=foundation.clock,
        metrics=metrics,
    )


async def _ensure_indexes(mongo: Mongo, heartbeats: Heartbeats) -> None:
    database = mongo.database
    await TenantRepository(database).ensure_indexes()
    await CustomerRepository(database).ensure_indexes()
    await ConversationRepository(database).ensure_indexes()
    await MessageRepository(database).ensure_indexes()
    await ParkedStatusRepository(database).ensure_indexes()
    await QuarantineRepository(database).ensure_indexes()
    await heartbeats.ensure_indexes()
