"""The HTTP API, built and wired."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from manyline.accounts.repository import AccountEventRepository
from manyline.conversations.repository import ConversationRepository
from manyline.conversations.windows import Windows
from manyline.customers.preferences import PreferenceRepository
from manyline.customers.repository import CustomerRepository
from manyline.events.hub import EventHub
from manyline.events.repository import ChangeRepository
from manyline.inbound.account_news import AccountNews
from manyline.inbound.again import ToldAgain
from manyline.inbound.commit import InboundCommit
from manyline.inbound.ledger.keeping import Ledger
from manyline.inbound.ledger.replaying import Replayer
from manyline.inbound.ledger.repository import LedgerRepository
from manyline.inbound.quarantine.repository import QuarantineRepository
from manyline.inbound.quarantine.retrying import QuarantineRetry
from manyline.inbound.receive import Receiver
from manyline.inbound.trust import Trust
from manyline.infra.one_wait import OneWait, Terms
from manyline.messages.contexts import MessageContexts
from manyline.messages.repository import MessageRepository
from manyline.meta.graph import GraphClient
from manyline.observability.metrics import HttpMetrics, InboundMetrics
from manyline.runtime.foundation import Foundation, Progress, open_foundation
from manyline.runtime.shared import app_secret_of, customer_service, open_graph, status_board
from manyline.sending.accept import Acceptor
from manyline.sending.replays import Replays
from manyline.sending.troubles import TroubleRepository
from manyline.settings import Settings
from manyline.tenants.app_secrets import OwnAppSecrets
from manyline.tenants.changing import TenantChanger
from manyline.tenants.repository import TenantRepository
from manyline.tenants.standing import StandingRepository
from manyline.tenants.token_check import TokenCheck


@dataclass(frozen=True, slots=True)
class ApiRuntime:
    """What the HTTP API calls."""

    foundation: Foundation
    changer: TenantChanger
    commit: InboundCommit
    receiver: Receiver
    ledger: Ledger
    replayer: Replayer
    quarantine: QuarantineRepository
    quarantine_retry: QuarantineRetry
    acceptor: Acceptor
    replays: Replays
    messages: MessageRepository
    contexts: MessageContexts
    conversations: ConversationRepository
    customers: CustomerRepository
    account_events: AccountEventRepository
    events: EventHub
    http_metrics: HttpMetrics


@asynccontextmanager
async def open_api(settings: Settings, *, progress: Progress) -> AsyncIterator[ApiRuntime]:
    """Everything the API needs, connected; raises `SettingsError`, `StoreUnavailableError`."""
    terms = Terms()
    async with (
        open_foundation(settings, role="api", progress=progress, terms=terms) as foundation,
        open_graph(settings) as graph,
    ):
        runtime = _wire(foundation, graph, OneWait(foundation.mongo.database, terms))
        yield runtime
        await runtime.events.close()
        await runtime.commit.drained()
        await runtime.ledger.drained()
        await runtime.acceptor.drained()


def _wire(foundation: Foundation, graph: GraphClient, one_wait: OneWait) -> ApiRuntime:
    settings, clock, database = foundation.settings, foundation.clock, foundation.mongo.database
    metrics = InboundMetrics(foundation.registry)
    people = CustomerRepository(database)
    customers = customer_service(foundation)
    conversations = ConversationRepository(database)
    messages = MessageRepository(database)
    account_events = AccountEventRepository(database)
    quarantine = QuarantineRepository(database, kept_for=timedelta(days=settings.quarantine_days))
    records = LedgerRepository(database)
    ledger = Ledger(records=records, clock=clock, metrics=metrics, kept_for=_ledger_time(settings))
    commit = InboundCommit(
        customers=customers,
        preferences=PreferenceRepository(database),
        conversations=conversations,
        messages=messages,
        again=ToldAgain(database),
        statuses=status_board(foundation, metrics),
        accounts=AccountNews(
            events=account_events,
            standings=StandingRepository(database),
            directory=foundation.directory,
            wakes=foundation.wakes,
        ),
        quarantine=quarantine,
        one_wait=one_wait,
        clock=clock,
        metrics=metrics,
    )
    receiver = Receiver(
        trust=_trust(foundation, metrics),
        commit=commit,
        ledger=ledger,
        wakes=foundation.wakes,
        clock=clock,
        metrics=metrics,
    )
    return ApiRuntime(
        foundation=foundation,
        changer=TenantChanger(
            repository=TenantRepository(database),
            secrets=foundation.tenants.secrets,
            token_check=TokenCheck(graph=graph, app_secret=app_secret_of(settings)),
            clock=clock,
            mock_allowed=not settings.in_production,
        ),
        commit=commit,
        receiver=receiver,
        ledger=ledger,
        replayer=Replayer(
            ledger=ledger,
            records=records,
            receiver=receiver,
            directory=foundation.directory,
            clock=clock,
        ),
        quarantine=quarantine,
        quarantine_retry=QuarantineRetry(
            quarantine=quarantine,
            receiver=receiver,
            directory=foundation.directory,
            clock=clock,
        ),
        acceptor=Acceptor(
            customers=customers,
            conversations=conversations,
            windows=Windows(repository=conversations, clock=clock),
            messages=messages,
            one_wait=one_wait,
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
        contexts=MessageContexts(database),
        conversations=conversations,
        customers=people,
        account_events=account_events,
        events=EventHub(
            changes=ChangeRepository(database),
            messages=messages,
            tenants=TenantRepository(database),
        ),
        http_metrics=HttpMetrics(foundation.registry),
    )


def _trust(foundation: Foundation, metrics: InboundMetrics) -> Trust:
    return Trust(
        app_secrets=[secret.get_secret_value() for secret in foundation.settings.app_secret],
        own=OwnAppSecrets(foundation.tenants.secrets),
        directory=foundation.directory,
        clock=foundation.clock,
        metrics=metrics,
    )


def _ledger_time(settings: Settings) -> timedelta | None:
    """For how long webhooks are kept; None for not at all."""
    days = settings.webhook_ledger_days
    return timedelta(days=days) if days else None
