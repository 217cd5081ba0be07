"""Tenants' credentials for calls to Graph, opened once per change and not once per message."""

from bson import ObjectId

from manyline.meta.graph import Credentials, credentials
from manyline.tenants.models import Tenant
from manyline.tenants.service import TenantService

CACHED_CREDENTIALS = 20_000


class Tokens:
    """A bounded cache over the vault; a changed tenant has another version and is opened anew.

    `app_secret` is the platform's own, for tenants that have none of theirs.
    """

    def __init__(self, tenants: TenantService, *, app_secret: str | None) -> None:
        self._tenants = tenants
        self._app_secret = app_secret
        self._opened: dict[ObjectId, tuple[int, Credentials]] = {}

    async def of(self, tenant: Tenant) -> Credentials:
        """The token and its proof; raises `VaultError`."""
        known = self._opened.get(tenant.id)
        if known is not None and known[0] == tenant.version:
            return known[1]
        token = await self._tenants.access_token(tenant)
        app_secret = await self._tenants.app_secret(tenant)
        opened = credentials(token, app_secret or self._app_secret)
        self._opened[tenant.id] = (tenant.version, opened)
        if len(self._opened) > CACHED_CREDENTIALS:
            del self._opened[next(iter(self._opened))]
        return opened
