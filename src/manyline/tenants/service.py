"""What becomes of tenants: registered, looked at, paused. Secrets go in and never out.

What a person changes of one is in `changing`.
"""

from dataclasses import dataclass, field

from bson import ObjectId

from manyline.base.clock import Clock
from manyline.base.paging import Page
from manyline.tenants.models import Tenant, TenantSettings, TenantStatus
from manyline.tenants.repository import TenantRepository
from manyline.tenants.secrets import TenantSecrets
from manyline.tenants.token_check import refuse_mock_token
from manyline.vault.envelope import Vault


@dataclass(frozen=True, slots=True)
class NewTenant:
    """What registering takes; secrets in plain text, on their way into the vault."""

    name: str
    phone_number_id: str
    access_token: str = field(repr=False)
    waba_id: str | None = None
    app_secret: str | None = field(default=None, repr=False)
    settings: TenantSettings = field(default_factory=TenantSettings)


class TenantService:
    """Tenants as every process needs them; `mock_allowed` is off in production."""

    def __init__(
        self, *, repository: TenantRepository, vault: Vault, clock: Clock, mock_allowed: bool
    ) -> None:
        self._repository = repository
        self._clock = clock
        self._mock_allowed = mock_allowed
        self.secrets = TenantSecrets(vault)
        """Seals and opens what tenants keep secret."""

    async def register(self, new: NewTenant) -> Tenant:
        """Store a new tenant, active at once.

        Raises `PhoneNumberTakenError` and `MockTokenRefusedError`.
        """
        refuse_mock_token(new.access_token, allowed=self._mock_allowed)
        now = self._clock.now()
        tenant_id = ObjectId()
        data_key, access_token = await self.secrets.seal_token(tenant_id, new.access_token)
        tenant = Tenant(
            id=tenant_id,
            name=new.name,
            phone_number_id=new.phone_number_id,
            waba_id=new.waba_id,
            status=TenantStatus.ACTIVE,
            settings=new.settings,
            data_key=data_key,
            access_token=access_token,
            created_at=now,
            updated_at=now,
            version=1,
        )
        tenant = await self.secrets.with_app_secret(tenant, new.app_secret)
        await self._repository.insert(tenant)
        return tenant

    async def get(self, tenant_id: ObjectId) -> Tenant:
        """One tenant, read from the store; raises `TenantNotFoundError`."""
        return await self._repository.get(tenant_id)

    async def list_page(self, *, limit: int, cursor: str | None) -> Page[Tenant]:
        """A page of tenants, newest first."""
        return await self._repository.list_page(limit=limit, cursor=cursor)

    async def pause(self, tenant: Tenant, *, reason: str, code: int) -> bool:
        """Stop sending for a tenant that Graph refused with `code`; its queue is kept.

        Does nothing, and answers False, when the tenant has changed since it was read: what an
        old token was told must not pause a tenant that has a new one. Every process knows within
        two seconds; this one's `TenantDirectory.forget` makes it know at once.
        """
        return await self._repository.pause(
            tenant.id, version=tenant.version, reason=reason, code=code, at=self._clock.now()
        )

    async def access_token(self, tenant: Tenant) -> str:
        """The tenant's token in plain text, for a call to Graph; raises `VaultError`."""
        return await self.secrets.access_token(tenant)

    async def app_secret(self, tenant: Tenant) -> str | None:
        """The tenant's own app secret in plain text, if it has one; raises `VaultError`."""
        return await self.secrets.app_secret(tenant)
