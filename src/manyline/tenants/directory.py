"""Which tenant a number or an id belongs to, without a query per message.

A bounded cache over the repository. Once a second each process asks which tenants changed and
forgets those, so a changed setting holds everywhere within two seconds; numbers that belong to
nobody are remembered too, so strangers' traffic costs no queries.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog
from bson import ObjectId

from manyline.base.clock import Clock
from manyline.base.errors import StoreUnavailableError
from manyline.tenants.models import Tenant, TenantNotFoundError
from manyline.tenants.repository import TenantRepository

CACHED_NUMBERS = 20_000
REFRESH_SECONDS = 1.0
# A change is stamped before it is stored, and a load may race with it: look back further.
OVERLAP = timedelta(seconds=15)

log = structlog.get_logger(__name__)


class TenantDirectory:
    """Finds tenants by number or id; `follow_changes` must run for it to stay true."""

    def __init__(self, *, repository: TenantRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock
        self._by_number: dict[str, Tenant | None] = {}
        self._number_of: dict[ObjectId, str] = {}
        self._any_own_app: bool | None = None
        self._forgotten = 0

    async def by_numbers(
        self, phone_number_ids: Iterable[str], *, remember_strangers: bool = True
    ) -> dict[str, Tenant]:
        """The tenants of these numbers; a number that is nobody's is left out.

        `remember_strangers` is off where somebody unknown chose the numbers: memory is bounded.
        """
        found: dict[str, Tenant] = {}
        missing: list[str] = []
        for number in set(phone_number_ids):
            if number not in self._by_number:
                missing.append(number)
            elif (tenant := self._by_number[number]) is not None:
                found[number] = tenant
        if missing:
            loaded = await self._repository.find_by_numbers(missing)
            found |= {tenant.phone_number_id: tenant for tenant in loaded}
            for number in missing:
                if remember_strangers or number in found:
                    self._remember(number, found.get(number))
        return found

    async def by_ids(self, tenant_ids: Iterable[ObjectId]) -> dict[ObjectId, Tenant]:
        """The tenants with these ids; one that does not exist is left out."""
        found: dict[ObjectId, Tenant] = {}
        missing: list[ObjectId] = []
        for tenant_id in set(tenant_ids):
            tenant = self._by_number.get(self._number_of.get(tenant_id, ""))
            if tenant is None:
                missing.append(tenant_id)
            else:
                found[tenant_id] = tenant
        if missing:
            for tenant in await self._repository.find_by_ids(missing):
                found[tenant.id] = tenant
                self._remember(tenant.phone_number_id, tenant)
        return found

    async def by_id(self, tenant_id: ObjectId) -> Tenant:
        """One tenant; raises `TenantNotFoundError`."""
        found = await self.by_ids([tenant_id])
        if tenant_id not in found:
            raise TenantNotFoundError("there is no tenant with this id")
        return found[tenant_id]

    async def by_wabas(self, waba_ids: Iterable[str]) -> dict[str, list[Tenant]]:
        """The tenants of these business accounts, read each time: news of one is rare."""
        found: dict[str, list[Tenant]] = {}
        for tenant in await self._repository.find_by_wabas(sorted(waba_ids)):
            if tenant.waba_id is not None:
                found.setdefault(tenant.waba_id, []).append(tenant)
        return found

    async def any_own_app(self) -> bool:
        """Whether any tenant has an app secret of its own."""
        if self._any_own_app is not None:
            return self._any_own_app
        before = self._forgotten
        answer = await self._repository.any_with_app_secret()
        if before == self._forgotten:  # Otherwise the answer may be from before a change.
            self._any_own_app = answer
        return answer

    async def follow_changes(self) -> None:
        """Forget changed tenants once a second, for as long as this runs."""
        while True:
            try:
                await self.forget_changed(since=self._clock.now() - OVERLAP)
            except StoreUnavailableError:
                log.warning("tenants.refresh_failed")
            await asyncio.sleep(REFRESH_SECONDS)

    async def forget_changed(self, *, since: datetime) -> None:
        """One round: forget whatever is known in another version than the one stored since."""
        for change in await self._repository.changed_since(since):
            known = self._by_number.get(change.phone_number_id)
            if known is None or known.version != change.version:
                self.forget(change.id, change.phone_number_id)

    def forget(self, tenant_id: ObjectId, phone_number_id: str) -> None:
        """Read this tenant from the store the next time it is asked for."""
        self._by_number.pop(phone_number_id, None)
        self._number_of.pop(tenant_id, None)
        self._any_own_app = None
        self._forgotten += 1

    def _remember(self, number: str, tenant: Tenant | None) -> None:
        self._by_number[number] = tenant
        if tenant is not None:
            self._number_of[tenant.id] = number
        if len(self._by_number) > CACHED_NUMBERS:
            oldest = next(iter(self._by_number))
            evicted = self._by_number.pop(oldest)
            if evicted is not None:
                self._number_of.pop(evicted.id, None)
