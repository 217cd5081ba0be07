"""`/tenants/{tenantId}/events`: what happens at a tenant, as it happens."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Response

from manyline.entry.api.event_stream import EventStream
from manyline.entry.api.parameters import TenantId
from manyline.events.hub import EventHub
from manyline.tenants.directory import TenantDirectory

LastEventId = Annotated[
    str | None,
    Header(
        pattern="^[0-9A-F]{20,512}$",
        description="The `id` of the last event that was read: go on after that one.",
    ),
]


def event_routes(hub: EventHub, directory: TenantDirectory) -> APIRouter:
    """Server-sent events of one tenant."""
    router = APIRouter(prefix="/tenants/{tenantId}", tags=["events"])

    @router.get(
        "/events",
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def events(tenant_id: TenantId, last_event_id: LastEventId = None) -> Response:
        """`message` (a new one), `status` (of one that is sent), `tenant` (paused, changed).

        `reset` says that `Last-Event-ID` is too old: read the lists anew.
        """
        structlog.contextvars.bind_contextvars(tenant_id=str(tenant_id))
        tenant = await directory.by_id(tenant_id)
        return EventStream(hub, await hub.listen(tenant.id, after=last_event_id))

    return router
