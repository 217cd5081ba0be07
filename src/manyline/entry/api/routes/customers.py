"""`/tenants/{tenantId}/customers`: whom a tenant knows."""

import structlog
from fastapi import APIRouter

from manyline.customers.repository import CustomerRepository
from manyline.entry.api.parameters import Cursor, Limit, TenantId
from manyline.entry.api.shown import CustomerShown, PageShown, show_customer
from manyline.tenants.directory import TenantDirectory


def customer_routes(customers: CustomerRepository, directory: TenantDirectory) -> APIRouter:
    """The routes of one tenant's customers."""
    router = APIRouter(prefix="/tenants/{tenantId}", tags=["customers"])

    @router.get("/customers")
    async def list_customers(
        tenant_id: TenantId, limit: Limit = 50, cursor: Cursor = None
    ) -> PageShown[CustomerShown]:
        """A tenant's customers, the last met first."""
        structlog.contextvars.bind_contextvars(tenant_id=str(tenant_id))
        await directory.by_id(tenant_id)
        page = await customers.list_page(tenant_id, limit=limit, cursor=cursor)
        return PageShown(items=[show_customer(c) for c in page.items], next_cursor=page.next_cursor)

    return router
