"""The HTTP API, built and wired."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from manyline.conversations.repository import ConversationRepository
from manyline.conversations.windows import Windows
from manyline.customers.repository import CustomerRepository
from manyline.customers.service import CustomerService
from manyline.events.hub import EventHub
from manyline.events.repository import ChangeRepository
from manyline.inbound.commit import InboundCommit
from manyline.inbound.receive import Receiver
from manyline.inbound.repository import (
    QuarantineRepository,
)
from manyline.messages.repository import MessageRepository
from manyline.meta.graph import GraphClient
from manyline.observability.metrics import HttpMetrics, InboundMetrics
from manyline.runtime.foundation import Foundation, Progress, open_foundation
from manyline.runtime.shared import app_secret_of, open_graph, status_board
from manyline.sending.accept import Acceptor
from manyline.sending.replays import Replays
from manyline.sending.troubles import TroubleRepository
from manyline.settings import Settings
from manyline.tenants.changing import TenantChanger
from manyline.tenants.repository import TenantRepository
from manyline.tenants.token_check import TokenCheck


@dataclass(frozen=True, slots=True)
class ApiRuntime:
    """What the HTTP API calls."""

    foundation: Foundation
    changer: TenantChanger
    commit: InboundCommit
    receiver: Receiver
    acceptor: Acceptor
    replays: Replays
    messages: MessageRepository
    conversations: ConversationRepository
    customers: CustomerRepository
    events: EventHub
    http_metrics: HttpMetrics


@asynccontextmanager
async def open_api(settings: Settings, *, progress: Progress) -> AsyncIterator[ApiRuntime]:
    """Everything the API needs, connected; raises `SettingsError`, `StoreUnavailableError`."""
    async with (
        open_foundation(settings, role="api", progress=progress) as foundation,
        open_graph(settings) as graph,
    ):
        runtime = _wire(foundation, graph)
        yield runtime
        await runtime.events.close()
        await runtime.commit.drained()
        await runtime.acceptor.drained()


def _wire(foundation: Foundation, graph: GraphClient) -> ApiRuntime:
    settings, clock, database = foundation.settings, foundation.clock, foundation.mongo.database
    app_secret = app_secret_of(settings)
    metrics = InboundMetrics(foundation.registry)
    people = CustomerRepository(database)
    customers = CustomerService(repository=people, clock=clock)
    conversations = ConversationRepository(database)
    messages = MessageRepository(database)
    commit = InboundCommit(
        customers=customers,
        conversations=conversations,
        messages=messages,
        statuses=status_board(foundation, metrics),
        quarantine=QuarantineRepository(database),
        clock=clock,
        metrics=metrics,
    )
    return ApiRuntime(
        foundation=foundation,
        changer=TenantChanger(
            repository=TenantRepository(database),
            secrets=foundation.tenants.secrets,
            token_check=TokenCheck(graph=graph, app_secret=app_secret),
            clock=clock,
            mock_allowed=not settings.in_production,
        ),
        commit=commit,
        receiver=Receiver(
            app_secret=app_secret,
            directory=foundation.directory,
            commit=commit,
            wakes=foundation.wakes,
            clock=clock,
            metrics=metrics,
        ),
        acceptor=Acceptor(
            customers=customers,
            conversations=conversations,
            windows=Windows(repository=conversations, clock=clock),
            messages=messages,
            wakes=foundation.wakes,
            clock=clock,
        ),
        replays=Replays(
            troubles=TroubleRepository(database),
            wakes=foundation.wakes,
            clock=clock,
            expiry=timedelta(seconds=settings.message_expiry_seconds),
        ),
        messages=messages,
        conversations=conversations,
        customers=people,
        events=EventHub(
            changes=ChangeRepository(database),
            messages=messages,
            tenants=TenantRepository(database),
        ),
        http_metrics=HttpMetrics(foundation.registry),
    )
