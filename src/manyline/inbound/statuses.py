"""Statuses: raise the message each speaks of; park those whose message is not known yet."""

from collections.abc import Sequence
from datetime import timedelta

from manyline.base.clock import Clock
from manyline.inbound.aftermath import Aftermath
from manyline.inbound.models import StatusChange
from manyline.inbound.repository import ParkedStatusRepository, StatusRepository
from manyline.messages.states import MessageStatus
from manyline.observability.metrics import InboundMetrics

TRY_AGAIN_AFTER = timedelta(seconds=30)
ROUND = 500


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

    async def apply(self, changes: Sequence[StatusChange]) -> None:
        """Raise what can be raised, park the rest; durable when it returns."""
        unmatched = await self._statuses.raise_messages(changes)
        if unmatched:
            self._metrics.parked.inc(len(unmatched))
            await self._parked.park(unmatched, now=self._clock.now())
        for change in changes:
            if change.status is MessageStatus.FAILED:
                await self._aftermath.of(change)

    async def retry_parked(self) -> int:
        """One round over parked statuses; answers how many found their message."""
        now = self._clock.now()
        due = await self._parked.due(now=now, limit=ROUND)
        if not due:
            return 0
        unmatched = await self._statuses.raise_messages([change for _, change in due])
        still = {id(change) for change in unmatched}
        found = [parked_id for parked_id, change in due if id(change) not in still]
        await self._parked.forget(found)
        await self._parked.put_off(
            [parked_id for parked_id, change in due if id(change) in still],
            until=now + TRY_AGAIN_AFTER,
        )
        return len(found)
