"""`/tenants/{tenantId}/send` and `/messages`: send a message, read messages."""

import structlog
from fastapi import APIRouter, Response

from manyline.base.clock import Clock
from manyline.entry.api.given import SendGiven
from manyline.entry.api.parameters import (
    Cursor,
    IdempotencyKey,
    Limit,
    MessageId,
    TenantId,
)
from manyline.entry.api.shown import PageShown, SentShown
from manyline.entry.api.shown_messages import (
    MessageDetailShown,
    MessageShown,
    show_detail,
    show_message,
)
from manyline.messages.contexts import MessageContexts
from manyline.messages.repository import MessageRepository
from manyline.messages.timeline import timeline
from manyline.sending.accept import Acceptor, SendText
from manyline.sending.refusals import KeysDifferError
from manyline.tenants.directory import TenantDirectory

REPLAYED = "Idempotent-Replayed"


def message_routes(
    acceptor: Acceptor,
    messages: MessageRepository,
    contexts: MessageContexts,
    directory: TenantDirectory,
    clock: Clock,
) -> APIRouter:
    """The routes of one tenant's messages."""
    router = APIRouter(prefix="/tenants/{tenantId}", tags=["messages"])

    @router.post("/send")
    async def send(
        tenant_id: TenantId, given: SendGiven, response: Response, header_key: IdempotencyKey = None
    ) -> SentShown:
        """Queue a text message; the same key again, by field or header, gives the first answer."""
        structlog.contextvars.bind_contextvars(tenant_id=str(tenant_id))
        tenant = await directory.by_id(tenant_id)
        accepted = await acceptor.accept(
            tenant,
            SendText(to=given.to, text=given.text, idempotency_key=_one_key(given, header_key)),
        )
        if accepted.replayed:
            response.headers[REPLAYED] = "true"
        return SentShown(
            idempotency_key=accepted.idempotency_key, messageId=str(accepted.message_id)
        )

    @router.get("/messages")
    async def list_messages(
        tenant_id: TenantId, limit: Limit = 50, cursor: Cursor = None
    ) -> PageShown[MessageShown]:
        """A tenant's messages, both ways, newest first."""
        structlog.contextvars.bind_contextvars(tenant_id=str(tenant_id))
        await directory.by_id(tenant_id)
        page = await messages.list_page(tenant_id, limit=limit, cursor=cursor)
        around = await contexts.around(tenant_id, page.items)
        return PageShown(
            items=[show_message(m, around[m.id]) for m in page.items], next_cursor=page.next_cursor
        )

    @router.get("/messages/{messageId}")
    async def get_message(tenant_id: TenantId, message_id: MessageId) -> MessageDetailShown:
        """One message, where it stands, and all that happened to it, oldest first."""
        structlog.contextvars.bind_contextvars(tenant_id=str(tenant_id))
        tenant = await directory.by_id(tenant_id)
        message = await messages.get(tenant_id, message_id)
        around = await contexts.around(tenant_id, [message])
        return show_detail(message, timeline(message, tenant, now=clock.now()), around[message.id])

    return router


def _one_key(given: SendGiven, header_key: str | None) -> str | None:
    if None not in (given.idempotency_key, header_key) and given.idempotency_key != header_key:
        raise KeysDifferError(
            "the header Idempotency-Key and the field idempotency_key differ; send one of them, or"
            " the same in both"
        )
    return given.idempotency_key or header_key
