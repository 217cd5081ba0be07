"""`/tenants/{tenantId}/account-events`: what Meta told of the tenant's account and number."""

import structlog
from fastapi import APIRouter

from manyline.accounts.repository import AccountEventRepository
from manyline.entry.api.parameters import Cursor, Limit, TenantId
from manyline.entry.api.shown import PageShown
from manyline.entry.api.shown_accounts import AccountEventShown, show_account_event
from manyline.tenants.directory import TenantDirectory


def account_routes(events: AccountEventRepository, directory: TenantDirectory) -> APIRouter:
    """The routes of one tenant's account."""
    router = APIRouter(prefix="/tenants/{tenantId}", tags=["account events"])

    @router.get("/account-events")
    async def list_account_events(
        tenant_id: TenantId, limit: Limit = 50, cursor: Cursor = None
    ) -> PageShown[AccountEventShown]:
        """News of the account, the number and its templates, newest first; kept for a year."""
        structlog.contextvars.bind_contextvars(tenant_id=str(tenant_id))
        await directory.by_id(tenant_id)
        page = await events.list_page(tenant_id, limit=limit, cursor=cursor)
        return PageShown(
            items=[show_account_event(e) for e in page.items], next_cursor=page.next_cursor
        )

    return router
