"""The relay: finds what got stuck, wherever it got stuck. One process at a time runs it.

A wake-up that Redis lost, a drain that died with its worker, a lease whose worker never came
back: all of them show as a `dueAt` in the past, so one cheap look per tenant finds them all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from bson import ObjectId

from manyline.base.clock import Clock
from manyline.messages.states import MessageStatus
from manyline.observability.metrics import SendingMetrics
from manyline.sending.models import InDoubt
from manyline.sending.repository import OutboxRepository
from manyline.sending.settle import Settler
from manyline.sending.stuck import StuckRepository
from manyline.sending.wakes import Wakes
from manyline.tenants.directory import TenantDirectory
from manyline.tenants.models import InDoubtPolicy, Tenant, TenantNotFoundError, TenantStatus

# A message that is due for so long was not simply next: its wake-up is taken for lost.
OVERDUE = timedelta(seconds=5)
WAKES_PER_ROUND = 1000
LEASES_PER_TENANT = 500

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RelayRules:
    """Times of the `resend` policy."""

    resend_after: timedelta
    """How long a doubt waits for a status that settles it."""
    expiry: timedelta
    """How long a message may be sent after that."""


class Relay:
    """One `round` looks at every tenant with anything unsettled."""

    def __init__(
        self,
        *,
        outbox: OutboxRepository,
        stuck: StuckRepository,
        directory: TenantDirectory,
        settler: Settler,
        wakes: Wakes,
        clock: Clock,
        metrics: SendingMetrics,
        rules: RelayRules,
    ) -> None:
        self._outbox = outbox
        self._stuck = stuck
        self._rules = rules
        self._directory = directory
        self._settler = settler
        self._wakes = wakes
        self._clock = clock
        self._metrics = metrics

    async def round(self) -> int:
        """Put expired claims in doubt, see to doubts and long waits, wake what is overdue.

        Answers how many numbers were woken, at most 1,000, the longest waiting first: the others
        have their turn next.
        """
        now = self._clock.now()
        for tenant_id in await self._stuck.oldest_due(MessageStatus.SENDING, before=now):
            await self._expire(tenant_id, now)
        await self._resend_doubts(now)
        returned = await self._stuck.oldest_parked(before=now)
        for tenant_id in returned:
            await self._stuck.return_parked(tenant_id, now=now)
        overdue = await self._stuck.oldest_due(MessageStatus.QUEUED, before=now - OVERDUE)
        return await self._wake([*sorted(overdue, key=overdue.__getitem__), *returned])

    async def _resend_doubts(self, now: datetime) -> None:
        """Where the tenant would rather have a message twice than never."""
        before = now - self._rules.resend_after
        for tenant_id in await self._stuck.newest_doubts(before=before):
            tenant = await self._active(tenant_id)
            if tenant is None or tenant.settings.in_doubt_policy is not InDoubtPolicy.RESEND:
                continue
            resent = await self._stuck.resend(
                tenant_id, doubted_before=before, now=now, expires_at=now + self._rules.expiry
            )
            if resent:
                log.warning("relay.doubts_resent", tenant_id=str(tenant_id), count=resent)
                self._wakes.wake_number(tenant.phone_number_id)

    async def _expire(self, tenant_id: ObjectId, now: datetime) -> None:
        """The worker of these never settled them: nobody knows whether Graph took them."""
        expired = await self._stuck.expired(tenant_id, now=now, limit=LEASES_PER_TENANT)
        if not expired:
            return
        reason = "the worker that was sending it stopped before Graph's answer was stored"
        doubts = [InDoubt(claim=claim, at=now, reason=reason) for claim in expired]
        await self._outbox.settle(doubts)
        await self._settler.wake_lines(doubts)
        self._metrics.expired_leases.inc(len(doubts))
        log.warning("relay.leases_expired", tenant_id=str(tenant_id), count=len(doubts))

    async def _wake(self, tenant_ids: Iterable[ObjectId]) -> int:
        woken = 0
        for tenant_id in dict.fromkeys(tenant_ids):
            if woken == WAKES_PER_ROUND:
                break
            if (tenant := await self._active(tenant_id)) is not None:
                self._wakes.wake_number(tenant.phone_number_id)
                woken += 1
        if woken:
            self._metrics.relayed.inc(woken)
            log.info("relay.woke_numbers", count=woken)
        return woken

    async def _active(self, tenant_id: ObjectId) -> Tenant | None:
        try:
            tenant = await self._directory.by_id(tenant_id)
        except TenantNotFoundError:
            return None
        return tenant if tenant.status is TenantStatus.ACTIVE else None
