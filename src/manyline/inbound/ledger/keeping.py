"""Keeping webhooks: what was taken goes into the ledger before Meta reads 200.

A group commit of its own behind that of the messages: the next messages are stored while the ledger
of the last ones is written, so it adds a write's time to a webhook and none to the way in.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from manyline.base.batching import GroupCommit
from manyline.base.clock import Clock
from manyline.inbound.ledger.models import Arrival
from manyline.inbound.ledger.packing import pack, parts, size_of
from manyline.inbound.ledger.repository import LedgerRepository

MOST_BYTES = 4 * 1024 * 1024  # of bodies in one document; packed they are a few hundred KB
PACKED_AT_ONCE = 64 * 1024  # bytes: about a millisecond. More is packed in a thread.


class Ledger:
    """Writes webhooks and what became of them; kept for `kept_for`, or not at all for None."""

    def __init__(
        self, *, records: LedgerRepository, clock: Clock, kept_for: timedelta | None
    ) -> None:
        self._records = records
        self._clock = clock
        self._kept_for = kept_for
        self._group = GroupCommit[Arrival, None](self._write)

    @property
    def on(self) -> bool:
        """Whether webhooks are kept."""
        return self._kept_for is not None

    async def keep(self, arrival: Arrival) -> None:
        """Return once it is durable; raises `OverloadedError`, `StoreUnavailableError`."""
        await self._group.submit((arrival,))

    async def drained(self) -> None:
        """Wait until everything handed in is written."""
        await self._group.drained()

    async def _write(self, arrivals: Sequence[Arrival]) -> list[None]:
        if self._kept_for is not None:
            now = self._clock.now()
            written = [(part, await _packed(part)) for part in parts(arrivals, MOST_BYTES)]
            await self._records.add(written, now=now, expires_at=now + self._kept_for)
        return [None] * len(arrivals)


async def _packed(part: Sequence[Arrival]) -> bytes:
    """Large ones beside the event loop, which has webhooks to answer: 3 MB take some 40 ms."""
    if size_of(part) > PACKED_AT_ONCE:
        return await asyncio.to_thread(pack, part)
    return pack(part)
