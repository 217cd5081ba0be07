"""A tenant's secrets between plain text and the store: which field, under which data key."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from bson import ObjectId

from manyline.tenants.models import PREVIOUS_SECRET_LIVES, PreviousSecret, Tenant
from manyline.vault.envelope import SealedSecret, Vault
from manyline.vault.keyring import VaultError, WrappedKey

# The fields' names are part of what a seal is bound to.
ACCESS_TOKEN = "accessToken"  # noqa: S105
APP_SECRET = "appSecret"  # noqa: S105
PREVIOUS_APP_SECRET = "previousAppSecret"  # noqa: S105


@dataclass(frozen=True, slots=True)
class OpenedAppSecrets:
    """A tenant's own app secrets in plain text."""

    current: str = field(repr=False)
    previous: str | None = field(default=None, repr=False)
    previous_until: datetime | None = None

    def live(self, now: datetime) -> tuple[str, ...]:
        """Those that are good for webhooks now, newest first."""
        if self.previous is None or self.previous_until is None or now >= self.previous_until:
            return (self.current,)
        return (self.current, self.previous)


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

    async def app_secrets(self, tenant: Tenant) -> OpenedAppSecrets:
        """Both of a tenant that has its own; raises `VaultError`.

        Without a current one there are none to ask for.
        """
        current = await self.app_secret(tenant)
        if current is None:
            raise VaultError("the tenant has no app secret of its own")
        previous = tenant.previous_app_secret
        if previous is None:
            return OpenedAppSecrets(current)
        opened = await self._vault.open(
            previous.sealed,
            tenant_id=str(tenant.id),
            field=PREVIOUS_APP_SECRET,
            data_key=tenant.data_key,
        )
        return OpenedAppSecrets(current, opened, previous.until)

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
        """The tenant with this app secret alone, or with none."""
        opened = OpenedAppSecrets(app_secret) if app_secret is not None else None
        return await self._with_app_secrets(tenant, opened)

    async def with_new_app_secret(
        self, tenant: Tenant, app_secret: str | None, *, now: datetime
    ) -> Tenant:
        """The tenant with this app secret; what it replaces stays good for webhooks for a while.

        The same one again changes nothing. None takes both away at once, since that is how a
        secret is revoked that somebody else has learned.
        """
        before = await self._app_secrets_if_they_open(tenant)
        if app_secret is None or before is None:
            return await self.with_app_secret(tenant, app_secret)
        if before.current == app_secret:
            return tenant
        until = now + PREVIOUS_SECRET_LIVES
        opened = OpenedAppSecrets(app_secret, before.current, until)
        return await self._with_app_secrets(tenant, opened)

    async def _with_app_secrets(self, tenant: Tenant, opened: OpenedAppSecrets | None) -> Tenant:
        if opened is None:
            return replace(tenant, app_secret=None, previous_app_secret=None)
        current = await self._sealed(tenant, APP_SECRET, opened.current)
        previous = None
        if opened.previous is not None and opened.previous_until is not None:
            sealed = await self._sealed(tenant, PREVIOUS_APP_SECRET, opened.previous)
            previous = PreviousSecret(sealed, opened.previous_until)
        return replace(tenant, app_secret=current, previous_app_secret=previous)

    async def _sealed(self, tenant: Tenant, field: str, secret: str) -> SealedSecret:
        return await self._vault.seal(
            secret, tenant_id=str(tenant.id), field=field, data_key=tenant.data_key
        )

    async def _app_secrets_if_they_open(self, tenant: Tenant) -> OpenedAppSecrets | None:
        if tenant.app_secret is None:
            return None
        try:
            return await self.app_secrets(tenant)
        except VaultError:
            return None

    async def under_new_key(self, tenant: Tenant, access_token: str) -> Tenant:
        """The tenant with this token, under a data key of its own.

        The key is wrapped by the first of the live master keys, so a rotation ends with every
        tenant's next token, and a tenant whose master key was lost is mended by one. An app secret
        that no longer opens is dropped: it is lost anyway.
        """
        app_secrets = await self._app_secrets_if_they_open(tenant)
        data_key, sealed = await self.seal_token(tenant.id, access_token)
        tenant = replace(tenant, data_key=data_key, access_token=sealed)
        return await self._with_app_secrets(tenant, app_secrets)
