"""What an error of Graph means beyond its own message: for the tenant, for the customer.

The same for the answer to a call and for a `failed` status that comes later.
"""

from datetime import datetime

import structlog
from bson import ObjectId

from manyline.base.errors import StoreUnavailableError
from manyline.customers.repository import CustomerRepository
from manyline.meta.catalogue import TENANT_TROUBLE, ErrorRow, row_of
from manyline.tenants.directory import TenantDirectory
from manyline.tenants.models import Tenant
from manyline.tenants.service import TenantService

OPTED_OUT = 131050

log = structlog.get_logger(__name__)


class Consequences:
    """Pauses tenants whose token, account or number Graph refuses; notes customers' opt-outs."""

    def __init__(
        self,
        *,
        tenants: TenantService,
        directory: TenantDirectory,
        customers: CustomerRepository,
    ) -> None:
        self._tenants = tenants
        self._directory = directory
        self._customers = customers

    @staticmethod
    def has_any(code: int) -> bool:
        """Whether an error of this code means anything beyond its message."""
        return code == OPTED_OUT or row_of(code).error_class in TENANT_TROUBLE

    async def follow(
        self, tenant: Tenant, row: ErrorRow, code: int, *, customer_id: ObjectId, at: datetime
    ) -> None:
        """Act on an error of this row; a store that is away is left to the next such error."""
        try:
            if row.error_class in TENANT_TROUBLE:
                await self._pause(tenant, row, code)
            elif code == OPTED_OUT:
                await self._customers.opt_out(tenant.id, customer_id, at=at)
        except StoreUnavailableError:
            log.warning("consequence.store_away", tenant_id=str(tenant.id), code=code)

    async def _pause(self, tenant: Tenant, row: ErrorRow, code: int) -> None:
        """Nothing is called for it until somebody repairs it; its messages wait."""
        reason = f"{row.meaning} {row.fix} (Graph's error {code})"
        paused = await self._tenants.pause(tenant, reason=reason, code=code)
        # Also when somebody else was faster: what this process knows is no longer true.
        self._directory.forget(tenant.id, tenant.phone_number_id)
        if paused:
            log.error("tenant.paused", tenant_id=str(tenant.id), code=code)
