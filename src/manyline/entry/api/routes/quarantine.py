"""`/quarantine`: items that could not be understood or stored. For the operator."""

from typing import Annotated

from bson import ObjectId
from fastapi import APIRouter, Path, Query

from manyline.entry.api.parameters import AnyObjectId, Cursor, Limit
from manyline.entry.api.shown import PageShown
from manyline.entry.api.shown_ledger import (
    DroppedShown,
    QuarantinedShown,
    QuarantinedWholeShown,
    RetriedShown,
    show_kept,
    show_retried,
    show_whole,
)
from manyline.inbound.quarantine.models import NotInQuarantineError
from manyline.inbound.quarantine.repository import QuarantineRepository
from manyline.inbound.quarantine.retrying import QuarantineRetry

QuarantineId = Annotated[str, Path(alias="quarantineId", pattern="^[0-9a-f]{64}$")]
OfTenant = Annotated[AnyObjectId | None, Query(alias="tenantId", description="Only this tenant's.")]


def quarantine_routes(quarantine: QuarantineRepository, retry: QuarantineRetry) -> APIRouter:
    """Lists, one item, trying it again, and dropping it."""
    router = APIRouter(prefix="/quarantine", tags=["quarantine"])

    @router.get("")
    async def list_quarantine(
        tenant_id: OfTenant = None, limit: Limit = 50, cursor: Cursor = None
    ) -> PageShown[QuarantinedShown]:
        """Items that could not be understood or stored, newest first."""
        wanted: ObjectId | None = tenant_id
        page = await quarantine.list_page(wanted, limit=limit, cursor=cursor)
        return PageShown(items=[show_kept(one) for one in page.items], next_cursor=page.next_cursor)

    @router.get("/{quarantineId}")
    async def show_quarantined(quarantine_id: QuarantineId) -> QuarantinedWholeShown:
        """One item, with what came."""
        return show_whole(await quarantine.get(bytes.fromhex(quarantine_id)))

    @router.post("/{quarantineId}/retry")
    async def retry_quarantined(quarantine_id: QuarantineId) -> RetriedShown:
        """Read and store it again; what succeeds leaves the quarantine."""
        return show_retried(await retry.retry(bytes.fromhex(quarantine_id)))

    @router.delete("/{quarantineId}")
    async def drop_quarantined(quarantine_id: QuarantineId) -> DroppedShown:
        """Forget it for good."""
        if not await quarantine.remove(bytes.fromhex(quarantine_id)):
            raise NotInQuarantineError("no item in the quarantine has this id")
        return DroppedShown(quarantine_id=quarantine_id)

    return router
