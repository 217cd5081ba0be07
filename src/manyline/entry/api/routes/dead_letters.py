"""`/tenants/{tenantId}/dead-letters` and `/in-doubt`: what needs a person, and what one may do."""

from typing import Annotated

import structlog
from bson import ObjectId
from fastapi import APIRouter, Depends

from manyline.base.clock import Clock
from manyline.entry.api.given import TroublesGiven
from manyline.entry.api.parameters import (
    Cursor,
    GraphCode,
    Limit,
    MessageId,
    Since,
    TenantId,
    Until,
)
from manyline.entry.api.shown import PageShown
from manyline.entry.api.shown_messages import (
    MessageDetailShown,
    MessageShown,
    show_detail,
    show_message,
)
from manyline.entry.api.shown_replays import MarkedShown, ReplayedShown, show_results
from manyline.messages.models import Message
from manyline.messages.repository import MessageRepository
from manyline.messages.states import MessageStatus
from manyline.messages.timeline import timeline
from manyline.messages.troubles import Troubles
from manyline.sending.replay_results import Report
from manyline.sending.replays import MOST_BY_FILTER, Replays
from manyline.tenants.directory import TenantDirectory
from manyline.tenants.models import Tenant

FAILED, IN_DOUBT = MessageStatus.FAILED, MessageStatus.IN_DOUBT


class _Asked:
    """The filters of a list, as its query has them."""

    def __init__(self, code: GraphCode = None, since: Since = None, until: Until = None) -> None:
        self._code = code
        self._since = since
        self._until = until

    def troubles(self, status: MessageStatus) -> Troubles:
        return Troubles(status, code=self._code, since=self._since, until=self._until)


Asked = Annotated[_Asked, Depends(_Asked)]


def dead_letter_routes(
    replays: Replays, messages: MessageRepository, directory: TenantDirectory, clock: Clock
) -> APIRouter:
    """Lists of messages in trouble, replays, and marking as sent."""
    router = APIRouter(prefix="/tenants/{tenantId}", tags=["dead letters"])

    async def tenant_of(tenant_id: ObjectId) -> Tenant:
        structlog.contextvars.bind_contextvars(tenant_id=str(tenant_id))
        return await directory.by_id(tenant_id)

    async def page(
        tenant_id: ObjectId, wanted: Troubles, limit: int, cursor: str | None
    ) -> PageShown[MessageShown]:
        tenant = await tenant_of(tenant_id)
        found = await messages.list_troubles(tenant.id, wanted, limit=limit, cursor=cursor)
        return PageShown(
            items=[show_message(message) for message in found.items], next_cursor=found.next_cursor
        )

    async def replay(
        tenant_id: ObjectId, given: TroublesGiven, status: MessageStatus
    ) -> ReplayedShown:
        tenant, wanted = await tenant_of(tenant_id), given.wanted(status)
        if given.message_ids is not None:
            report = await replays.replay_these(tenant, given.message_ids, among=wanted)
        else:
            limit = given.limit or MOST_BY_FILTER
            report = await replays.replay_matching(tenant, wanted, limit=limit)
        return ReplayedShown(replayed=report.done, results=show_results(report), more=report.more)

    async def mark(tenant: Tenant, given: TroublesGiven) -> Report:
        wanted = given.wanted(IN_DOUBT)
        if given.message_ids is not None:
            return await replays.mark_these_sent(tenant, given.message_ids, among=wanted)
        limit = given.limit or MOST_BY_FILTER
        return await replays.mark_matching_sent(tenant, wanted, limit=limit)

    def detail(message: Message, tenant: Tenant) -> MessageDetailShown:
        return show_detail(message, timeline(message, tenant, now=clock.now()))

    @router.get("/dead-letters")
    async def list_dead_letters(
        tenant_id: TenantId, asked: Asked, limit: Limit = 50, cursor: Cursor = None
    ) -> PageShown[MessageShown]:
        """Messages that failed for good, the newest failure first."""
        return await page(tenant_id, asked.troubles(FAILED), limit, cursor)

    @router.get("/in-doubt")
    async def list_doubts(
        tenant_id: TenantId, asked: Asked, limit: Limit = 50, cursor: Cursor = None
    ) -> PageShown[MessageShown]:
        """Messages of which nobody knows whether WhatsApp took them, the newest doubt first."""
        return await page(tenant_id, asked.troubles(IN_DOUBT), limit, cursor)

    @router.post("/dead-letters/replay")
    async def replay_dead_letters(tenant_id: TenantId, given: TroublesGiven) -> ReplayedShown:
        """Queue dead letters again; answers what became of each."""
        return await replay(tenant_id, given, FAILED)

    @router.post("/in-doubt/replay")
    async def replay_doubts(tenant_id: TenantId, given: TroublesGiven) -> ReplayedShown:
        """Queue doubts again: those that WhatsApp took after all arrive twice."""
        return await replay(tenant_id, given, IN_DOUBT)

    @router.post("/in-doubt/mark-sent")
    async def mark_doubts_sent(tenant_id: TenantId, given: TroublesGiven) -> MarkedShown:
        """Somebody knows that these arrived; nothing is sent."""
        report = await mark(await tenant_of(tenant_id), given)
        return MarkedShown(marked_sent=report.done, results=show_results(report), more=report.more)

    @router.post("/messages/{messageId}/replay")
    async def replay_message(tenant_id: TenantId, message_id: MessageId) -> MessageDetailShown:
        """Queue a failed or doubtful message again; a doubtful one may arrive twice."""
        tenant = await tenant_of(tenant_id)
        return detail(await replays.replay_one(tenant, message_id), tenant)

    @router.post("/messages/{messageId}/mark-sent")
    async def mark_message_sent(tenant_id: TenantId, message_id: MessageId) -> MessageDetailShown:
        """Somebody knows that this doubtful message arrived; nothing is sent."""
        tenant = await tenant_of(tenant_id)
        return detail(await replays.mark_one_sent(tenant, message_id), tenant)

    return router
