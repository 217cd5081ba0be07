"""Keeping webhooks: what was taken goes into the ledger, many in one write.

A write costs up to a millisecond of CPU here and in mongod, and each webhook in it 10 µs more. So
they are collected for a quarter of a second, and nobody waits for it: what they hold is durable by
then, and a process that is killed takes that quarter with it from the ledger alone. A webhook with
something of nobody's is waited for, since nothing else keeps that.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import structlog

from manyline.base.clock import Clock
from manyline.base.errors import StoreUnavailableError
from manyline.inbound.ledger.models import NOBODYS, Arrival
from manyline.inbound.ledger.packing import pack, parts, size_of
from manyline.inbound.ledger.repository import LedgerRepository
from manyline.observability.failures import describe_failure
from manyline.observability.metrics import InboundMetrics

COLLECT_SECONDS = 0.25
COLLECT_BYTES = 1024 * 1024
AGAIN_SECONDS = 1.0
MOST_BYTES = 4 * 1024 * 1024  # of bodies in one document; packed they are a few hundred KB
PACKED_AT_ONCE = 64 * 1024  # bytes: about a millisecond. More is packed in a thread.
MOST_WAITING_BYTES = 64 * 1024 * 1024
"""While the store is away next to nothing is added: what cannot be stored is not taken."""

log = structlog.get_logger(__name__)


class Ledger:
    """Writes webhooks and what became of them; kept for `kept_for`, or not at all for None."""

    def __init__(
        self,
        *,
        records: LedgerRepository,
        clock: Clock,
        metrics: InboundMetrics,
        kept_for: timedelta | None,
    ) -> None:
        self._records = records
        self._clock = clock
        self._metrics = metrics
        self._kept_for = kept_for
        self._waiting: list[Arrival] = []
        self._bytes = 0
        self._written: asyncio.Future[None] | None = None
        self._hurry = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def on(self) -> bool:
        """Whether webhooks are kept."""
        return self._kept_for is not None

    async def keep(self, arrival: Arrival) -> None:
        """Have it written soon; returns at once, unless some of it is kept nowhere else.

        Raises `StoreUnavailableError` where it waits.
        """
        self._waiting.append(arrival)
        self._bytes += len(arrival.body)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_while_any())
        if NOBODYS in arrival.outcomes:
            self._hurry.set()
            if self._written is None:
                self._written = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._written)
        elif self._bytes >= COLLECT_BYTES:
            self._hurry.set()

    async def drained(self) -> None:
        """Write what waits; what the store does not take now is lost to the ledger."""
        self._closing = True
        self._hurry.set()
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def _write_while_any(self) -> None:
        try:
            while self._waiting:
                await self._pause(COLLECT_SECONDS)
                if not await self._write_once():
                    await self._pause(AGAIN_SECONDS)
        finally:
            self._writer = None

    async def _pause(self, seconds: float) -> None:
        if not self._closing:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), seconds)
            self._hurry.clear()

    async def _write_once(self) -> bool:
        """Write all that waits; False when the store is away, and then it waits on."""
        arrivals, size, written = self._waiting, self._bytes, self._written
        self._waiting, self._bytes, self._written = [], 0, None
        try:
            await self._write(arrivals)
        except StoreUnavailableError as error:
            self._wait_on(arrivals, size)
            _tell(written, error)
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, the next write must be tried
            self._lose(arrivals, **describe_failure(error))
            _tell(written, error)
            return False
        if written is not None:
            written.set_result(None)
        return True

    async def _write(self, arrivals: Sequence[Arrival]) -> None:
        if self._kept_for is not None:
            now = self._clock.now()
            written = [(part, await _packed(part)) for part in parts(arrivals, MOST_BYTES)]
            await self._records.add(written, now=now, expires_at=now + self._kept_for)

    def _wait_on(self, arrivals: Sequence[Arrival], size: int) -> None:
        # Who waited is told that it was not taken, and comes again.
        others = [one for one in arrivals if NOBODYS not in one.outcomes]
        if self._closing or self._bytes + size > MOST_WAITING_BYTES:
            self._lose(others)
        else:
            self._waiting = others + self._waiting
            self._bytes += size_of(others)

    def _lose(self, arrivals: Sequence[Arrival], **why: object) -> None:
        """What they hold is stored; only as they came they are not kept."""
        self._metrics.ledger_lost.inc(len(arrivals))
        log.error("ledger.lost", webhooks=len(arrivals), **why)


def _tell(written: asyncio.Future[None] | None, error: Exception) -> None:
    if written is not None:
        written.set_exception(error)
        written.exception()  # Those who waited may be gone.


async def _packed(part: Sequence[Arrival]) -> bytes:
    """Large ones beside the event loop, which has webhooks to answer: 3 MB take some 40 ms."""
    if size_of(part) > PACKED_AT_ONCE:
        return await asyncio.to_thread(pack, part)
    return pack(part)
