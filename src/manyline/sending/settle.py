"""Settling: a group commit of answers, and waking whoever was waiting behind them."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import structlog

from manyline.base.batching import GroupCommit, OverloadedError
from manyline.base.clock import Clock
from manyline.base.errors import StoreUnavailableError
from manyline.observability.metrics import SendingMetrics
from manyline.sending.models import CLOCKS_DIFFER, Requeued, Settlement
from manyline.sending.repository import OutboxRepository
from manyline.sending.wakes import Wakes

STORE_AWAY_WAIT_SECONDS = 0.5

log = structlog.get_logger(__name__)


class Settler:
    """Writes settlements down in batches; an answer of Graph is kept until the store takes it."""

    def __init__(
        self,
        *,
        outbox: OutboxRepository,
        wakes: Wakes,
        clock: Clock,
        metrics: SendingMetrics,
    ) -> None:
        self._outbox = outbox
        self._wakes = wakes
        self._clock = clock
        self._metrics = metrics
        self._group = GroupCommit[Settlement, None](self._flush)

    async def settle(self, settlement: Settlement) -> None:
        """Return once the settlement is durable, however long the store is away."""
        while True:
            try:
                await self._group.submit([settlement])
            except (StoreUnavailableError, OverloadedError):
                log.warning("settle.store_away", tenant_id=str(settlement.claim.message.tenant_id))
                await asyncio.sleep(STORE_AWAY_WAIT_SECONDS)
            else:
                return

    async def drained(self) -> None:
        """Wait until no settlement waits for its flush."""
        await self._group.drained()

    async def _flush(self, settlements: Sequence[Settlement]) -> list[None]:
        await self._outbox.settle(settlements)
        self._report(settlements)
        await self.wake_lines([s for s in settlements if not isinstance(s, Requeued)])
        for settlement in settlements:
            if isinstance(settlement, Requeued):
                self._wake_later(settlement)
        return [None] * len(settlements)

    async def wake_lines(self, settlements: Sequence[Settlement]) -> None:
        """Wake the messages that stood behind settled ones, now that they lead their lines."""
        messages = [settlement.claim.message for settlement in settlements]
        if not messages:
            return
        now = self._clock.now()
        following = await self._outbox.next_in_line([m.conversation_id for m in messages])
        await self._outbox.unpark([w.message_id for w in following if w.behind], now=now)
        number_of = {message.tenant_id: message.phone_number_id for message in messages}
        self._wakes.wake(
            (str(waiting.message_id), number_of[waiting.tenant_id])
            for waiting in following
            if waiting.behind or waiting.due_at <= now + CLOCKS_DIFFER
        )

    def _wake_later(self, requeued: Requeued) -> None:
        delay = (requeued.due_at - self._clock.now()).total_seconds()
        number = requeued.claim.message.phone_number_id
        self._wakes.wake_number(number, delay_seconds=max(0.0, delay))

    def _report(self, settlements: Sequence[Settlement]) -> None:
        counts = Counter(type(settlement).__name__ for settlement in settlements)
        for kind, count in counts.items():
            self._metrics.settled.labels(kind).inc(count)
        if len(settlements) == 1:
            message = settlements[0].claim.message
            names = {"tenant_id": str(message.tenant_id), "message_id": str(message.id)}
        else:
            names = {}
        log.info("messages.settled", **names, **{k.lower(): v for k, v in counts.items()})
