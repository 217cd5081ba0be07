"""The worker, built and wired."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from manyline.customers.alias_notes import AliasNotes
from manyline.inbound.statuses import StatusBoard
from manyline.infra.redis import RedisServer, open_quick_redis
from manyline.infra.single_holder import SingleHolder
from manyline.limits.buckets import Buckets
from manyline.limits.turns import Turns
from manyline.messages.merging import CustomerMerges
from manyline.meta.graph import GraphClient
from manyline.observability.metrics import InboundMetrics, SendingMetrics
from manyline.queue.worker import WorkerShell
from manyline.runtime.foundation import Foundation, Progress, open_foundation
from manyline.runtime.shared import (
    app_secret_of,
    consequences,
    customer_service,
    open_graph,
    status_board,
)
from manyline.sending.breakers import Breakers
from manyline.sending.calls import Calls
from manyline.sending.deliver import Deliverer
from manyline.sending.flight import Flight
from manyline.sending.judgement import CallRules
from manyline.sending.launch import Launcher
from manyline.sending.relay import Relay, RelayRules
from manyline.sending.repository import OutboxRepository
from manyline.sending.retry import Backoff
from manyline.sending.settle import Settler
from manyline.sending.stuck import StuckRepository
from manyline.sending.tokens import Tokens
from manyline.settings import Settings

# Longer than a round and the pause after it; short, since a killed holder leaves it to run out.
RELAY_TERM = timedelta(seconds=12)
STOP_CALLS_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class WorkerRuntime:
    """What the worker process runs."""

    foundation: Foundation
    shell: WorkerShell
    deliverer: Deliverer
    calls: Calls
    relay: Relay
    statuses: StatusBoard
    merges: CustomerMerges
    relay_role: SingleHolder


@asynccontextmanager
async def open_worker(settings: Settings, *, progress: Progress) -> AsyncIterator[WorkerRuntime]:
    """Everything the worker needs, connected; raises `SettingsError`, `StoreUnavailableError`."""
    async with (
        open_foundation(settings, role="worker", progress=progress) as foundation,
        open_graph(settings) as graph,
        open_quick_redis(RedisServer.from_settings(settings)) as limits_redis,
    ):
        yield _wire(foundation, graph, Buckets(limits_redis), Turns(limits_redis))


def _wire(
    foundation: Foundation, graph: GraphClient, buckets: Buckets, turns: Turns
) -> WorkerRuntime:
    settings, clock = foundation.settings, foundation.clock
    expiry = timedelta(seconds=settings.message_expiry_seconds)
    metrics = SendingMetrics(foundation.registry)
    outbox = OutboxRepository(foundation.mongo.database)
    flight = Flight(capacity=settings.worker_in_flight, on_room=foundation.wakes.wake_number)
    breakers = Breakers()
    settler = Settler(outbox=outbox, wakes=foundation.wakes, clock=clock, metrics=metrics)
    calls = Calls(
        graph=graph,
        tokens=Tokens(foundation.tenants, app_secret=app_secret_of(settings)),
        settler=settler,
        flight=flight,
        breakers=breakers,
        buckets=buckets,
        consequences=consequences(foundation),
        aliases=AliasNotes(customer_service(foundation)),
        rules=CallRules(
            deadline=timedelta(seconds=settings.call_deadline_seconds),
            expiry=expiry,
            backoff=Backoff(settings.retry_base_seconds),
            mock_allowed=not settings.in_production,
        ),
        clock=clock,
        metrics=metrics,
    )
    launcher = Launcher(
        outbox=outbox,
        buckets=buckets,
        flight=flight,
        breakers=breakers,
        calls=calls,
        wakes=foundation.wakes,
        clock=clock,
        lease=timedelta(seconds=settings.lease_seconds),
        owner=foundation.owner,
    )
    deliverer = Deliverer(
        outbox=outbox,
        directory=foundation.directory,
        launcher=launcher,
        turns=turns,
        wakes=foundation.wakes,
        clock=clock,
    )
    relay = Relay(
        outbox=outbox,
        stuck=StuckRepository(foundation.mongo.database),
        directory=foundation.directory,
        settler=settler,
        wakes=foundation.wakes,
        clock=clock,
        metrics=metrics,
        rules=RelayRules(
            resend_after=timedelta(seconds=settings.in_doubt_wait_seconds), expiry=expiry
        ),
    )
    return WorkerRuntime(
        foundation=foundation,
        shell=WorkerShell(redis=RedisServer.from_settings(settings), handlers=deliverer),
        deliverer=deliverer,
        calls=calls,
        relay=relay,
        statuses=status_board(foundation, InboundMetrics(foundation.registry)),
        merges=CustomerMerges(foundation.mongo.database, clock=clock),
        relay_role=SingleHolder(
            foundation.mongo.database,
            name="relay",
            owner=foundation.owner,
            term=RELAY_TERM,
            clock=clock,
        ),
    )
