"""Buckets in this process's memory, for as long as Redis does not answer.

They see only what this worker sends, so they give a share that several workers may have at once.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from manyline.limits.models import (
    HALVING_LASTS,
    MOST_HALVINGS,
    NUMBER_BURST,
    PAIR_INTERVAL,
    PAUSE,
    SECOND,
    Reserved,
    Wanted,
    beat_after,
    interval_of,
)

LOCAL_SHARE = 4
"""A quarter of each rate: four workers without Redis still keep a number's limit."""

LOCAL_PAIR_BURST = 5
SWEEP_AT = 1_000
"""Buckets kept before the idle ones among them are looked for."""


def monotonic_microseconds() -> int:
    """This process's clock; no step of the machine's clock moves it."""
    return time.monotonic_ns() // 1_000


@dataclass(slots=True)
class _Number:
    arrival: int = 0
    halvings: int = 0
    since: int = 0

    def halvings_at(self, now: int) -> int:
        return max(0, self.halvings - (now - self.since) // HALVING_LASTS)


class LocalBuckets:
    """Same interface and arithmetic as the shared buckets; answers at once and cannot fail."""

    def __init__(
        self,
        *,
        share: int = LOCAL_SHARE,
        pair_burst: int = LOCAL_PAIR_BURST,
        microseconds: Callable[[], int] = monotonic_microseconds,
    ) -> None:
        """`share`: the part of each rate to give out, as a divisor."""
        self._share = share
        self._pair_burst = pair_burst * PAIR_INTERVAL
        self._microseconds = microseconds
        self._counted_since = microseconds()
        self._numbers: dict[str, _Number] = {}
        self._pairs: dict[tuple[str, str], int] = {}
        self._sweep_at = SWEEP_AT

    def start_empty(self) -> None:
        """No number has a burst now: others may have used it a moment ago."""
        self._counted_since = self._microseconds()

    async def reserve(self, wanted: Mapping[str, Wanted]) -> dict[str, Reserved]:
        """See `Buckets.reserve`."""
        now = self._microseconds()
        self._sweep(now)
        return {number: self._reserve(number, ask, now) for number, ask in wanted.items()}

    async def slow_down(self, number: str) -> None:
        """See `Buckets.slow_down`."""
        now = self._microseconds()
        bucket = self._numbers.setdefault(number, _Number())
        halvings = bucket.halvings_at(now)
        if halvings and now - bucket.since < PAUSE:
            return
        bucket.halvings = min(halvings + 1, MOST_HALVINGS)
        bucket.since = now

    def _reserve(self, number: str, ask: Wanted, now: int) -> Reserved:
        bucket = self._numbers.setdefault(number, _Number())
        opened = self._counted_since
        interval = interval_of(ask.per_second) * self._share
        if halvings := bucket.halvings_at(now):
            interval <<= halvings
            opened = max(opened, bucket.since + PAUSE)
        burst = max(interval, NUMBER_BURST)
        bucket.arrival = min(bucket.arrival, now + burst)  # The burst shrinks with the interval.
        arrival = max(now, bucket.arrival, opened + burst - interval)
        waits: list[float | None] = []
        retry_after = 0.0
        for recipient in ask.recipients:
            if arrival + interval > now + burst:
                waits.append(None)
                soonest = arrival + interval - burst - now
                retry_after = retry_after or beat_after(number, now, soonest) / SECOND
                continue
            wait = self._take_pair((number, recipient), now)
            waits.append(wait / SECOND)
            if not wait:
                arrival += interval
                bucket.arrival = arrival
        return Reserved(waits, retry_after)

    def _take_pair(self, pair: tuple[str, str], now: int) -> int:
        """0 when the slot was taken, else microseconds to wait."""
        arrival = max(now, self._pairs.get(pair, now))
        wait = max(0, arrival + PAIR_INTERVAL - self._pair_burst - now)
        if not wait:
            self._pairs[pair] = arrival + PAIR_INTERVAL
        return wait

    def _sweep(self, now: int) -> None:
        """Forget buckets that say nothing any more; at most half of all work is sweeping."""
        if len(self._pairs) + len(self._numbers) < self._sweep_at:
            return
        self._pairs = {pair: arrival for pair, arrival in self._pairs.items() if arrival > now}
        self._numbers = {
            number: bucket
            for number, bucket in self._numbers.items()
            if bucket.arrival > now or bucket.halvings_at(now)
        }
        self._sweep_at = max(SWEEP_AT, 2 * (len(self._pairs) + len(self._numbers)))
