"""News of accounts: kept in the event log, and followed where they mean something."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from manyline.accounts.models import NewAccountEvent
from manyline.accounts.reading import Standing, facts, standing
from manyline.accounts.repository import AccountEventRepository
from manyline.inbound.models import RoutedEvent
from manyline.sending.wakes import Wakes
from manyline.tenants.directory import TenantDirectory
from manyline.tenants.models import Tenant
from manyline.tenants.standing import StandingRepository

WAKE_AFTER_SECONDS = 2.5
"""By then every process has forgotten the tenant as it was."""

log = structlog.get_logger(__name__)


class AccountNews:
    """Keeps account events; applies what they say of the tenant's number, account and standing."""

    def __init__(
        self,
        *,
        events: AccountEventRepository,
        standings: StandingRepository,
        directory: TenantDirectory,
        wakes: Wakes,
    ) -> None:
        self._events = events
        self._standings = standings
        self._directory = directory
        self._wakes = wakes

    async def keep(self, routed: Sequence[RoutedEvent], *, now: datetime) -> list[bool]:
        """Add to the log and follow; answers for each whether it is new.

        What is not new is followed all the same, if Meta told when it was: the process that stored
        it may have died before. Raises `StoreUnavailableError`.
        """
        new = await self._events.keep([one.event for one in routed], now=now)
        for one, is_new in zip(routed, new, strict=True):
            if not is_new and one.event.told_at is None:
                continue
            changed = await self._note(one.tenant, one.event, now=now)
            told = standing(one.event)
            if told is not None:
                changed |= await self._stand(one.tenant, told, now=now)
            if changed:
                self._directory.forget(one.tenant.id, one.tenant.phone_number_id)
        return new

    async def _note(self, tenant: Tenant, event: NewAccountEvent, *, now: datetime) -> bool:
        told = {fact.name: (fact.at, fact.value) for fact in facts(event)}
        return bool(told) and await self._standings.note(tenant.id, told, now=now)

    async def _stand(self, tenant: Tenant, told: Standing, *, now: datetime) -> bool:
        news = await self._standings.stand(tenant.id, reason=told.reason, at=told.at, now=now)
        if news and told.good:
            log.info("tenant.account_good", tenant_id=str(tenant.id))
            self._wakes.wake_number(tenant.phone_number_id, delay_seconds=WAKE_AFTER_SECONDS)
        elif news:
            log.error("tenant.account_may_not_send", tenant_id=str(tenant.id))
        return news
