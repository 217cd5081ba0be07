"""Tenants' own app secrets in plain text, opened once per change and not once per webhook."""

from datetime import datetime

from bson import ObjectId

from manyline.tenants.models import Tenant
from manyline.tenants.secrets import OpenedAppSecrets, TenantSecrets

CACHED_SECRETS = 20_000


class OwnAppSecrets:
    """A bounded cache over the vault; a changed tenant has another version and is opened anew."""

    def __init__(self, secrets: TenantSecrets) -> None:
        self._secrets = secrets
        self._opened: dict[ObjectId, tuple[int, OpenedAppSecrets]] = {}

    async def live(self, tenant: Tenant, *, now: datetime) -> tuple[str, ...]:
        """Those that sign for the tenant now, newest first; none when it has none of its own.

        Raises `VaultError`.
        """
        if tenant.app_secret is None:
            return ()
        known = self._opened.get(tenant.id)
        if known is None or known[0] != tenant.version:
            known = (tenant.version, await self._secrets.app_secrets(tenant))
            self._opened[tenant.id] = known
            if len(self._opened) > CACHED_SECRETS:
                del self._opened[next(iter(self._opened))]
        return known[1].live(now)
