"""How many calls are under way: over all numbers, and per number.

A number whose calls hang takes only its own share of the worker, and nobody else waits for it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

# Calls under way per message a second: at 80/s, 160 calls ride out answers that take 2 s.
SECONDS_IN_FLIGHT = 2
FEWEST_PER_NUMBER = 16


class Flight:
    """Counts places; `on_room(number)` is told when a number that waits may find one again."""

    def __init__(self, *, capacity: int, on_room: Callable[[str], None]) -> None:
        self._capacity = capacity
        self._on_room = on_room
        self._by_number: Counter[str] = Counter()
        self._total = 0
        self._room = asyncio.Event()
        self._room.set()
        self._wait_for_own: set[str] = set()
        self._wait_for_any: dict[str, None] = {}

    @property
    def total(self) -> int:
        """Places taken."""
        return self._total

    async def any_room(self) -> None:
        """Wait until the worker as a whole has room for another call."""
        await self._room.wait()

    def take(self, number: str, wanted: int, *, per_second: int) -> int:
        """Take up to `wanted` places for a number; answers how many it got."""
        own_room = self._share(per_second) - self._by_number[number]
        taken = max(0, min(wanted, own_room, self._capacity - self._total))
        self._change(number, taken)
        return taken

    def give_back(self, number: str, places: int) -> None:
        """Return places whose calls never began."""
        self._change(number, -places)

    def landed(self, number: str) -> None:
        """A call is over and settled: wake whoever waits for its place."""
        self._change(number, -1)
        if number in self._wait_for_own:
            self._wait_for_own.discard(number)
            self._on_room(number)
        if self._wait_for_any:
            first = next(iter(self._wait_for_any))
            del self._wait_for_any[first]
            self._on_room(first)

    def wait_for_room(self, number: str, *, per_second: int) -> None:
        """Tell `on_room` when this number, which wanted more places, may find one."""
        if self._by_number[number] >= self._share(per_second):
            self._wait_for_own.add(number)
        elif self._total >= self._capacity:
            self._wait_for_any[number] = None
        else:
            self._on_room(number)

    def _share(self, per_second: int) -> int:
        return max(FEWEST_PER_NUMBER, min(per_second * SECONDS_IN_FLIGHT, self._capacity // 4))

    def _change(self, number: str, places: int) -> None:
        self._by_number[number] += places
        if not self._by_number[number]:
            del self._by_number[number]
        self._total += places
        if self._total < self._capacity:
            self._room.set()
        else:
            self._room.clear()
