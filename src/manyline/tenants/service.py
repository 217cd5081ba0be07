"""What an operator does with tenants: register, look, change. Secrets go in and never out."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bson import ObjectId

from manyline.base.clock import Clock
from manyline.base.paging import Page
from manyline.meta.simulated import is_mock_token
from manyline.tenants.models import (
    MockTokenRefusedError,
    Tenant,
    TenantChangedError,
    TenantSettings,
    TenantStatus,
)
from manyline.tenants.repository import TenantRepository
from manyline.vault.envelope import SealedSecret, Vault
from manyline.vault.keyring import VaultError

ACCESS_TOKEN = "accessToken"  # noqa: S105 - the field's name, part of what the seal is bound to
APP_SECRET = "appSecret"  # noqa: S105
CHANGE_TRIES = 3


@dataclass(frozen=True, slots=True)
class NewTenant:
    """What registering takes; secrets in plain text, on their way into the vault."""

    name: str
    phone_number_id: str
    access_token: str
    waba_id: str | None = None
    app_secret: str | None = None
    settings: TenantSettings = field(default_factory=TenantSettings)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a PATCH may change, worked out against `current`, the tenant it was made from.

    A secret that is None stays as it is, unless its `forget_…` says so.
    """

    name: str
    waba_id: str | None
    status: TenantStatus
    settings: TenantSettings
    access_token: str | None = None
    app_secret: str | None = None
    forget_app_secret: bool = False


class TenantService:
    """Tenants as the operator sees them; `mock_allowed` is off in production."""

    def __init__(
        self, *, repository: TenantRepository, vault: Vault, clock: Clock, mock_allowed: bool
    ) -> None:
        self._repository = repository
        self._vault = vault
        self._clock = clock
        self._mock_allowed = mock_allowed

    async def register(self, new: NewTenant) -> Tenant:
        """Store a new tenant, active at once.

        Raises `PhoneNumberTakenError` and `MockTokenRefusedError`.
        """
        self._check_token(new.access_token)
        now = self._clock.now()
        tenant_id = ObjectId()
        data_key = await self._vault.new_data_key(str(tenant_id))
        sealed = await self._vault.seal(
            new.access_token, tenant_id=str(tenant_id), field=ACCESS_TOKEN, data_key=data_key
        )
        tenant = Tenant(
            id=tenant_id,
            name=new.name,
            phone_number_id=new.phone_number_id,
            waba_id=new.waba_id,
            status=TenantStatus.ACTIVE,
            settings=new.settings,
            data_key=data_key,
            access_token=sealed,
            created_at=now,
            updated_at=now,
            version=1,
        )
        if new.app_secret is not None:
            tenant = replace(
                tenant, app_secret=await self._seal(tenant, APP_SECRET, new.app_secret)
            )
        await self._repository.insert(tenant)
        return tenant

    async def get(self, tenant_id: ObjectId) -> Tenant:
        """One tenant, read from the store; raises `TenantNotFoundError`."""
        return await self._repository.get(tenant_id)

    async def list_page(self, *, limit: int, cursor: str | None) -> Page[Tenant]:
        """A page of tenants, newest first."""
        return await self._repository.list_page(limit=limit, cursor=cursor)

    async def change(self, tenant_id: ObjectId, make: Callable[[Tenant], Changes]) -> Tenant:
        """Apply what `make` makes of the stored tenant, anew if somebody else was faster.

        Raises `TenantNotFoundError`, `MockTokenRefusedError` and, after three tries,
        `TenantChangedError`; whatever `make` raises passes.
        """
        for _ in range(CHANGE_TRIES - 1):
            current = await self._repository.get(tenant_id)
            try:
                return await self._apply(current, make(current))
            except TenantChangedError:
                continue
        current = await self._repository.get(tenant_id)
        return await self._apply(current, make(current))

    async def _apply(self, current: Tenant, changes: Changes) -> Tenant:
        if changes.access_token is not None:
            self._check_token(changes.access_token)
        changed = replace(
            current,
            name=changes.name,
            waba_id=changes.waba_id,
            status=changes.status,
            paused_reason=_paused_reason(current, changes.status),
            settings=changes.settings,
            version=current.version + 1,
            updated_at=self._clock.now(),
        )
        if changes.access_token is not None:
            changed = await self._under_new_key(changed, changes.access_token)
        if changes.forget_app_secret:
            changed = replace(changed, app_secret=None)
        elif changes.app_secret is not None:
            sealed = await self._seal(changed, APP_SECRET, changes.app_secret)
            changed = replace(changed, app_secret=sealed)
        await self._repository.replace(changed)
        return changed

    async def _under_new_key(self, tenant: Tenant, access_token: str) -> Tenant:
        """A new token comes with a new data key, under the first of the live master keys.

        So a rotation ends with every tenant's next token, and a tenant whose master key was lost
        is mended by one. An app secret that no longer opens is dropped: it is lost anyway.
        """
        app_secret = await self._app_secret(tenant)
        data_key = await self._vault.new_data_key(str(tenant.id))
        tenant = replace(tenant, data_key=data_key, app_secret=None)
        tenant = replace(tenant, access_token=await self._seal(tenant, ACCESS_TOKEN, access_token))
        if app_secret is not None:
            sealed = await self._seal(tenant, APP_SECRET, app_secret)
            tenant = replace(tenant, app_secret=sealed)
        return tenant

    async def _app_secret(self, tenant: Tenant) -> str | None:
        if tenant.app_secret is None:
            return None
        try:
            return await self._vault.open(
                tenant.app_secret,
                tenant_id=str(tenant.id),
                field=APP_SECRET,
                data_key=tenant.data_key,
            )
        except VaultError:
            return None

    async def access_token(self, tenant: Tenant) -> str:
        """The tenant's token in plain text, for a call to Graph; raises `VaultError`."""
        return await self._vault.open(
            tenant.access_token,
            tenant_id=str(tenant.id),
            field=ACCESS_TOKEN,
            data_key=tenant.data_key,
        )

    async def _seal(self, tenant: Tenant, field: str, secret: str) -> SealedSecret:
        return await self._vault.seal(
            secret, tenant_id=str(tenant.id), field=field, data_key=tenant.data_key
        )

    def _check_token(self, token: str) -> None:
        if is_mock_token(token) and not self._mock_allowed:
            raise MockTokenRefusedError(
                "a token that begins with mock_ is refused in production: its messages would be"
                " called sent though they never left; register with a real token"
            )


def _paused_reason(current: Tenant, status: TenantStatus) -> str | None:
    if status is not TenantStatus.PAUSED:
        return None
    return current.paused_reason or "paused by the operator"
