"""Which wake-up a message gets: a place in a `send` job, or its number's drain.

A number with more waiting than a `send` job should carry is served by its drain alone, so that
everyone else's jobs never stand behind a broadcast. What waits is not counted in the store for
that; a number that wakes more than 100 messages within a second counts as busy.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Protocol

BUSY_ABOVE = 100
PERIOD_SECONDS = 1.0
# A drain goes on by itself while more remains, so a busy number needs few wake-ups.
DRAIN_EVERY_SECONDS = 0.25


class Queue(Protocol):
    """The queue's fire-and-forget side: nothing blocks, nothing raises."""

    def wake_messages(self, message_ids: Iterable[str]) -> None:
        """Wake these messages soon."""
        ...

    def wake_number(self, phone_number_id: str, *, delay_seconds: float = 0) -> None:
        """Wake a number's backlog."""
        ...


class Wakes:
    """Wakes messages of known numbers."""

    def __init__(
        self,
        queue: Queue,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        call_later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        self._queue = queue
        self._monotonic = monotonic
        self._call_later = call_later or _on_this_loop
        self._period_end = 0.0
        self._woken: dict[str, int] = {}
        self._drained_at: dict[str, float] = {}
        self._drain_later: set[str] = set()

    def wake(self, messages: Iterable[tuple[str, str]]) -> None:
        """Wake messages, given as (message id, phone number id)."""
        now = self._monotonic()
        if now >= self._period_end:
            self._start_period(now)
        alone: list[str] = []
        busy: dict[str, None] = {}
        for message_id, number in messages:
            count = self._woken[number] = self._woken.get(number, 0) + 1
            if count <= BUSY_ABOVE:
                alone.append(message_id)
            else:
                busy[number] = None
        if alone:
            self._queue.wake_messages(alone)
        for number in busy:
            self._drain_soon(number, now)

    def wake_number(self, phone_number_id: str, *, delay_seconds: float = 0) -> None:
        """Wake whatever is due of a number, now or after a delay."""
        self._queue.wake_number(phone_number_id, delay_seconds=delay_seconds)

    def _start_period(self, now: float) -> None:
        self._period_end = now + PERIOD_SECONDS
        self._woken.clear()
        self._drained_at = {
            number: at for number, at in self._drained_at.items() if at > now - DRAIN_EVERY_SECONDS
        }

    def _drain_soon(self, number: str, now: float) -> None:
        """A drain now, or when the last one is a quarter of a second old; never none after this."""
        if number in self._drain_later:
            return
        wait = self._drained_at.get(number, -DRAIN_EVERY_SECONDS) + DRAIN_EVERY_SECONDS - now
        if wait <= 0:
            self._drain_now(number)
        else:
            self._drain_later.add(number)
            self._call_later(wait, lambda: self._drain_now(number))

    def _drain_now(self, number: str) -> None:
        self._drain_later.discard(number)
        self._drained_at[number] = self._monotonic()
        self._queue.wake_number(number)


def _on_this_loop(seconds: float, call: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(seconds, call)
