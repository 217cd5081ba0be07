"""Parts that the API and the worker both have, over one foundation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from manyline.customers.repository import CustomerRepository
from manyline.customers.service import CustomerService
from manyline.inbound.aftermath import Aftermath
from manyline.inbound.raising.repository import StatusRepository
from manyline.inbound.repository import ParkedStatusRepository
from manyline.inbound.statuses import StatusBoard
from manyline.messages.merging import CustomerMerges
from manyline.messages.repository import MessageRepository
from manyline.meta.graph import GraphClient
from manyline.observability.metrics import InboundMetrics
from manyline.runtime.foundation import Foundation
from manyline.sending.consequences import Consequences
from manyline.settings import Settings


def status_board(foundation: Foundation, metrics: InboundMetrics) -> StatusBoard:
    database = foundation.mongo.database
    return StatusBoard(
        statuses=StatusRepository(database),
        parked=ParkedStatusRepository(database),
        aftermath=Aftermath(
            consequences=consequences(foundation),
            messages=MessageRepository(database),
            directory=foundation.directory,
        ),
        clock=foundation.clock,
        metrics=metrics,
    )


def app_secret_of(settings: Settings) -> str | None:
    """The one that makes proofs for calls to Graph."""
    return settings.app_secret[0].get_secret_value() if settings.app_secret else None


def customer_service(foundation: Foundation) -> CustomerService:
    database, clock = foundation.mongo.database, foundation.clock
    return CustomerService(
        repository=CustomerRepository(database),
        merges=CustomerMerges(database, clock=clock),
        clock=clock,
    )


def consequences(foundation: Foundation) -> Consequences:
    return Consequences(
        tenants=foundation.tenants,
        directory=foundation.directory,
        customers=CustomerRepository(foundation.mongo.database),
    )


@asynccontextmanager
async def open_graph(settings: Settings) -> AsyncIterator[GraphClient]:
    """The client of Meta's Graph API."""
    graph = GraphClient(
        base_url=settings.graph_base_url,
        version=settings.whatsapp_api_version,
        deadline_seconds=settings.call_deadline_seconds,
    )
    try:
        yield graph
    finally:
        await graph.close()
