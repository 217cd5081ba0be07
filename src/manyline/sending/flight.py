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
    """Counts calls under way; `on_room(number)` is told when a full number has room again."""

    def __init__(self, *, capacity: int, on_room: Callable[[str], None]) -> None:
        self._capacity = capacity
        self._on_room = on_room
        self._by_number: Counter[str] = Counter()
        self._total = 0
        self._full: set[str] = set()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def total(self) -> int:
        """Calls under way."""
        return self._total

    async def any_room(self) -> None:
        """Wait until the worker as a whole has room for another call."""
        await self._room.wait()

    def is_full(self, number: str) -> bool:
        """Whether a number wanted more than its share and waits for a landing."""
        return number in self._full

    def take(self, number: str, wanted: int, *, per_second: int) -> int:
        """Take up to `wanted` places for a number; remembers one that did not get them all."""
        share = max(FEWEST_PER_NUMBER, min(per_second * SECONDS_IN_FLIGHT, self._capacity // 4))
        room = max(0, min(share - self._by_number[number], self._capacity - self._total))
        taken = min(wanted, room)
        if taken < wanted:
            self._full.add(number)
        self._by_number[number] += taken
        self._total += taken
        if self._total >= self._capacity:
            self._room.clear()
        return taken

    def give_back(self, number: str, places: int = 1) -> None:
        """Return places: their calls are over and settled, or never began."""
        if not places:
            return
        self._by_number[number] -= places
        if not self._by_number[number]:
            del self._by_number[number]
        self._total -= places
        self._room.set()
        if number in self._full:
            self._full.discard(number)
            self._on_room(number)
