"""`/tenants/{tenantId}/conversations`: who said something last, what was said, what was read."""

from collections.abc import Sequence

import structlog
from bson import ObjectId
from fastapi import APIRouter

from manyline.base.clock import Clock
from manyline.conversations.models import Conversation
from manyline.conversations.repository import ConversationRepository
from manyline.customers.repository import CustomerRepository
from manyline.entry.api.given import ReadGiven
from manyline.entry.api.parameters import ConversationId, Cursor, Limit, TenantId
from manyline.entry.api.shown import ConversationShown, PageShown, show_conversation
from manyline.entry.api.shown_messages import MessageShown, show_message
from manyline.messages.contexts import MessageContexts
from manyline.messages.repository import MessageRepository
from manyline.tenants.directory import TenantDirectory


def conversation_routes(
    *,
    conversations: ConversationRepository,
    customers: CustomerRepository,
    messages: MessageRepository,
    contexts: MessageContexts,
    directory: TenantDirectory,
    clock: Clock,
) -> APIRouter:
    """The routes of one tenant's conversations."""
    router = APIRouter(prefix="/tenants/{tenantId}/conversations", tags=["conversations"])

    async def show(tenant_id: ObjectId, found: Sequence[Conversation]) -> list[ConversationShown]:
        people = await customers.by_ids(tenant_id, [one.id for one in found])
        unread = await messages.unread(
            tenant_id, {one.id: one.read_at for one in found if one.may_be_unread}
        )
        return [show_conversation(one, people.get(one.id), unread.get(one.id, 0)) for one in found]

    @router.get("")
    async def list_conversations(
        tenant_id: TenantId, limit: Limit = 50, cursor: Cursor = None
    ) -> PageShown[ConversationShown]:
        """A tenant's conversations, the one with the newest message first."""
        structlog.contextvars.bind_contextvars(tenant_id=str(tenant_id))
        await directory.by_id(tenant_id)
        page = await conversations.list_page(tenant_id, limit=limit, cursor=cursor)
        return PageShown(items=await show(tenant_id, page.items), next_cursor=page.next_cursor)

    @router.get("/{conversationId}")
    async def get_conversation(
        tenant_id: TenantId, conversation_id: ConversationId
    ) -> ConversationShown:
        """One conversation."""
        structlog.contextvars.bind_contextvars(tenant_id=str(tenant_id))
        [shown] = await show(tenant_id, [await conversations.get(tenant_id, conversation_id)])
        return shown

    @router.get("/{conversationId}/messages")
    async def list_messages(
        tenant_id: TenantId,
        conversation_id: ConversationId,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> PageShown[MessageShown]:
        """What was said, both ways, newest first."""
        structlog.contextvars.bind_contextvars(tenant_id=str(tenant_id))
        conversation = await conversations.get(tenant_id, conversation_id)
        page = await messages.list_page(
            tenant_id, limit=limit, cursor=cursor, conversation_id=conversation.id
        )
        around = await contexts.around(tenant_id, page.items)
        return PageShown(
            items=[show_message(m, around[m.id]) for m in page.items], next_cursor=page.next_cursor
        )

    @router.post("/{conversationId}/read")
    async def mark_read(
        tenant_id: TenantId, conversation_id: ConversationId, given: ReadGiven | None = None
    ) -> ConversationShown:
        """Somebody has read everything up to `readAt` (now, if not given); never moves back."""
        structlog.contextvars.bind_contextvars(tenant_id=str(tenant_id))
        now = clock.now()
        at = min(given.read_at, now) if given and given.read_at else now
        [shown] = await show(
            tenant_id, [await conversations.mark_read(tenant_id, conversation_id, at=at)]
        )
        return shown

    return router
