"""A tenant's secrets between plain text and the store: which field, under which data key."""

from dataclasses import replace

from bson import ObjectId

from manyline.tenants.models import Tenant
from manyline.vault.envelope import SealedSecret, Vault
from manyline.vault.keyring import VaultError, WrappedKey

# The fields' names are part of what a seal is bound to.
ACCESS_TOKEN = "accessToken"  # noqa: S105
APP_SECRET = "appSecret"  # noqa: S105


class TenantSecrets:
    """Seals what goes into a tenant and opens what calls to Graph need."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def access_token(self, tenant: Tenant) -> str:
        """The tenant's token in plain text; raises `VaultError`."""
        return await self._vault.open(
            tenant.access_token,
            tenant_id=str(tenant.id),
            field=ACCESS_TOKEN,
            data_key=tenant.data_key,
        )

    async def app_secret(self, tenant: Tenant) -> str | None:
        """The tenant's own app secret in plain text, if it has one; raises `VaultError`."""
        if tenant.app_secret is None:
            return None
        return await self._vault.open(
            tenant.app_secret, tenant_id=str(tenant.id), field=APP_SECRET, data_key=tenant.data_key
        )

    async def app_secret_if_it_opens(self, tenant: Tenant) -> str | None:
        """As `app_secret`; None as well where the key that sealed it is lost."""
        try:
            return await self.app_secret(tenant)
        except VaultError:
            return None

    async def seal_token(
        self, tenant_id: ObjectId, access_token: str
    ) -> tuple[WrappedKey, SealedSecret]:
        """A new data key for a tenant, and its token under it."""
        data_key = await self._vault.new_data_key(str(tenant_id))
        sealed = await self._vault.seal(
            access_token, tenant_id=str(tenant_id), field=ACCESS_TOKEN, data_key=data_key
        )
        return data_key, sealed

    async def with_app_secret(self, tenant: Tenant, app_secret: str | None) -> Tenant:
        """The tenant with this app secret, or with none."""
        if app_secret is None:
            return replace(tenant, app_secret=None)
        sealed = await self._vault.seal(
            app_secret, tenant_id=str(tenant.id), field=APP_SECRET, data_key=tenant.data_key
        )
        return replace(tenant, app_secret=sealed)

    async def under_new_key(self, tenant: Tenant, access_token: str) -> Tenant:
        """The tenant with this token, under a data key of its own.

        The key is wrapped by the first of the live master keys, so a rotation ends with every
        tenant's next token, and a tenant whose master key was lost is mended by one. An app secret
        that no longer opens is dropped: it is lost anyway.
        """
        app_secret = await self.app_secret_if_it_opens(tenant)
        data_key, sealed = await self.seal_token(tenant.id, access_token)
        tenant = replace(tenant, data_key=data_key, access_token=sealed)
        return await self.with_app_secret(tenant, app_secret)
