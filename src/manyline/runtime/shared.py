"""Parts that the API and the worker both have, over one foundation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from manyline.customers.repository import CustomerRepository
from manyline.inbound.aftermath import Aftermath
from manyline.inbound.repository import (
    ParkedStatusRepository,
    StatusRepository,
)
from manyline.inbound.statuses import StatusBoard
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
    return settings.app_secret.get_secret_value() if settings.app_secret else None


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
