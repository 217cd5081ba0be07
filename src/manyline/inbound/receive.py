"""The way in, first half: from raw bytes to items that can be stored.

verify and parse (see `trust`) -> route and encode (see `routing`) -> commit (see `commit`) -> wake
-> keep (see `ledger`).
Nothing is stored before the whole body was looked at, and nothing is woken before it is durable.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from manyline.base.clock import Clock
from manyline.inbound.commit import InboundCommit
from manyline.inbound.ledger.keeping import Ledger
from manyline.inbound.ledger.models import Arrival, letters
from manyline.inbound.models import Committed, RoutedItem, RoutedMessage
from manyline.inbound.routing import route
from manyline.inbound.trust import Trust
from manyline.inbound.voices import voice_of
from manyline.observability.metrics import InboundMetrics
from manyline.sending.wakes import Wakes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a webhook held, by what became of it."""

    items: int
    dropped: int


class Receiver:
    """Takes a webhook whole: when `receive` returns, it is durable."""

    def __init__(
        self,
        *,
        trust: Trust,
        commit: InboundCommit,
        ledger: Ledger,
        wakes: Wakes,
        clock: Clock,
        metrics: InboundMetrics,
    ) -> None:
        self._trust = trust
        self._commit = commit
        self._ledger = ledger
        self._wakes = wakes
        self._clock = clock
        self._metrics = metrics

    async def receive(self, body: bytes, signature: str | None) -> Receipt:
        """Verify, read, store and answer for one webhook.

        `signature` is None unless exactly one came. Raises `BadSignatureError`,
        `MalformedWebhookError`, `OverloadedError`, `StoreUnavailableError` and `VaultError`; after
        any of them Meta comes again, and repeating is harmless.
        """
        addressed = await self._trust.admit(body, signature)
        now = self._clock.now()
        routing = route(addressed, now=now)
        committed = await self.apply(routing.items)
        items = len(addressed.items)
        if self._ledger.on:
            outcomes = letters(committed, routing.places, items)
            await self._ledger.keep(Arrival(now, body, outcomes, voice_of(addressed)))
        self._metrics.count(items=items, dropped=routing.dropped)
        return Receipt(items=items, dropped=routing.dropped)

    async def apply(self, routed: Sequence[RoutedItem]) -> Sequence[Committed]:
        """Commit items, be they new or from the ledger, and wake what they cause.

        Raises `OverloadedError` and `StoreUnavailableError`.
        """
        committed = await self._commit.store(routed)
        self._wake(routed, committed)
        return committed

    def _wake(self, routed: Sequence[RoutedItem], committed: Sequence[Committed]) -> None:
        """Wake the new replies; nothing here waits for Redis."""
        self._wakes.wake(
            (str(outcome.reply_id), item.tenant.phone_number_id)
            for item, outcome in zip(routed, committed, strict=True)
            if outcome.reply_id is not None and isinstance(item, RoutedMessage)
        )
