"""`/tenants/{tenantId}/send` and `/messages`: send a message, read messages."""

import structlog
from fastapi import APIRouter, Response

from manyline.entry.api.given import SendGiven
from manyline.entry.api.parameters import Cursor, Limit, MessageId, TenantId
from manyline.entry.api.shown import MessageShown, PageShown, SentShown, show_message
from manyline.messages.repository import MessageRepository
from manyline.sending.accept import Acceptor, SendText
from manyline.tenants.directory import TenantDirectory

REPLAYED = "Idempotent-Replayed"


def message_routes(
    acceptor: Acceptor, messages: MessageRepository, directory: TenantDirectory
) -> APIRouter:
    """The routes of one tenant's messages."""
    router = APIRouter(prefix="/tenants/{tenantId}", tags=["messages"])

    @router.post("/send")
    async def send(tenant_id: TenantId, given: SendGiven, response: Response) -> SentShown:
        """Queue a text message; the same `idempotency_key` again gives the first answer again."""
        structlog.contextvars.bind_contextvars(tenant_id=str(tenant_id))
        tenant = await directory.by_id(tenant_id)
        accepted = await acceptor.accept(
            tenant,
            SendText(to=given.to, text=given.text, idempotency_key=given.idempotency_key),
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
        return PageShown(items=[show_message(m) for m in page.items], next_cursor=page.next_cursor)

    @router.get("/messages/{messageId}")
    async def get_message(tenant_id: TenantId, message_id: MessageId) -> MessageShown:
        """One message and where it stands."""
        structlog.contextvars.bind_contextvars(tenant_id=str(tenant_id))
        return show_message(await messages.get(tenant_id, message_id))

    return router
