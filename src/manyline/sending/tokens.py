"""Tenants' access tokens in plain text, opened once per change and not once per message."""

from bson import ObjectId

from manyline.tenants.models import Tenant
from manyline.tenants.service import TenantService

CACHED_TOKENS = 20_000


class Tokens:
    """A bounded cache over the vault; a changed tenant has another version and is opened anew."""

    def __init__(self, tenants: TenantService) -> None:
        self._tenants = tenants
        self._opened: dict[ObjectId, tuple[int, str]] = {}

    async def of(self, tenant: Tenant) -> str:
        """The token; raises `VaultError`."""
        known = self._opened.get(tenant.id)
        if known is not None and known[0] == tenant.version:
            return known[1]
        token = await self._tenants.access_token(tenant)
        self._opened[tenant.id] = (tenant.version, token)
        if len(self._opened) > CACHED_TOKENS:
            del self._opened[next(iter(self._opened))]
        return token
