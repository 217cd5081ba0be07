"""Statuses: raise the message each speaks of; park those whose message is not known yet."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from bson import ObjectId

from manyline.base.clock import Clock
from manyline.inbound.aftermath import Aftermath
from manyline.inbound.models import RoutedElsewhere, StatusChange
from manyline.inbound.raising.repository import StatusRepository
from manyline.inbound.repository import ParkedStatusRepository
from manyline.messages.states import MessageStatus
from manyline.observability.metrics import InboundMetrics

ROUND = 500
FOLLOWED_AT_ONCE = 100


class StatusBoard:
    """Applies statuses in any order, any number of times."""

    def __init__(
        self,
        *,
        statuses: StatusRepository,
        parked: ParkedStatusRepository,
        aftermath: Aftermath,
        clock: Clock,
        metrics: InboundMetrics,
    ) -> None:
        self._statuses = statuses
        self._parked = parked
        self._aftermath = aftermath
        self._clock = clock
        self._metrics = metrics

    async def apply(self, changes: Sequence[StatusChange]) -> list[StatusChange]:
        """Raise what can be raised, park the rest and answer it; durable when it returns."""
        if not changes:
            return []
        unmatched = await self._statuses.raise_messages(changes)
        if unmatched:
            self._metrics.parked.inc(len(unmatched))
            await self._parked.park(unmatched, now=self._clock.now())
        await self._follow(changes)
        return unmatched

    async def hurry(self, items: Sequence[RoutedElsewhere], *, now: datetime) -> None:
        """These messages have come: what is parked for them is tried in the next round."""
        by_tenant: dict[ObjectId, list[str]] = {}
        for item in items:
            by_tenant.setdefault(item.tenant.id, []).append(item.message.wamid)
        for tenant_id, wamids in by_tenant.items():
            await self._parked.hurry(tenant_id, wamids, now=now)

    async def retry_parked(self) -> int:
        """One round over parked statuses; answers how many found their message."""
        now = self._clock.now()
        due = await self._parked.due(now=now, limit=ROUND)
        if not due:
            return 0
        unmatched = await self._statuses.raise_messages([change for _, change in due])
        still = {id(change) for change in unmatched}
        found = [parked_id for parked_id, change in due if id(change) not in still]
        # Before they are forgotten: what it means beyond the message must not be lost.
        await self._follow([change for _, change in due if id(change) not in still])
        await self._parked.forget(found)
        await self._parked.put_off(
            [parked_id for parked_id, change in due if id(change) in still],
            now=now,
        )
        return len(found)

    async def _follow(self, changes: Sequence[StatusChange]) -> None:
        """Some at once: each waits for the store, and everybody's webhooks wait for all."""
        failed = [change for change in changes if change.status is MessageStatus.FAILED]
        for start in range(0, len(failed), FOLLOWED_AT_ONCE):
            part = failed[start : start + FOLLOWED_AT_ONCE]
            await asyncio.gather(*(self._aftermath.of(change) for change in part))
