"""Fire and forget in front of the queue, for callers whose promise is already kept in MongoDB.

A durable webhook is never delayed or failed by Redis: its wake-ups are handed over here, and what
Redis does not take is dropped and counted. The relay finds those messages a few seconds later.
"""

import asyncio
from collections import deque
from collections.abc import Iterable

import structlog

from manyline.queue.errors import QueueUnavailableError
from manyline.queue.jobs import MESSAGES_PER_JOB, NewJob, drain_job, send_jobs
from manyline.queue.producer import JOBS_PER_ADD, WakeQueue

log = structlog.get_logger(__name__)

MESSAGES_PER_ADD = JOBS_PER_ADD // 2 * MESSAGES_PER_JOB
NUMBERS_PER_ADD = JOBS_PER_ADD // 2


class Waker:
    """Adds whatever waits the moment the previous add ends; there is no timer.

    So a lone message is woken at once, and under load one job carries up to 50. All methods but
    `stop` return at once and never raise. Use it on one event loop.
    """

    def __init__(
        self, queue: WakeQueue, *, waiting_messages: int = 20_000, waiting_numbers: int = 10_000
    ) -> None:
        self._queue = queue
        self._most_messages = waiting_messages
        self._most_numbers = waiting_numbers
        self._messages: deque[str] = deque()
        self._numbers: dict[str, float] = {}
        self._adder: asyncio.Task[None] | None = None
        self._stopped = False
        self._away = False
        self._lost = 0

    @property
    def waiting(self) -> int:
        """Messages and numbers that no add has taken yet."""
        return len(self._messages) + len(self._numbers)

    @property
    def lost(self) -> int:
        """Messages and numbers dropped so far, because Redis was away or too much waited."""
        return self._lost

    def wake_messages(self, message_ids: Iterable[str]) -> None:
        """Wake these messages soon, in this order."""
        for message_id in message_ids:
            if self._stopped or len(self._messages) >= self._most_messages:
                self._lost += 1
            else:
                self._messages.append(message_id)
        self._add_soon()

    def wake_number(self, phone_number_id: str, *, delay_seconds: float = 0) -> None:
        """Wake this number's backlog after a delay; of two wishes the earlier one stands."""
        due = asyncio.get_running_loop().time() + max(0.0, delay_seconds)
        known = self._numbers.get(phone_number_id)
        if known is not None:
            self._numbers[phone_number_id] = min(known, due)
        elif self._stopped or len(self._numbers) >= self._most_numbers:
            self._lost += 1
        else:
            self._numbers[phone_number_id] = due
        self._add_soon()

    async def stop(self, *, within_seconds: float = 2.0) -> None:
        """Add what waits, for at most so long; the rest is lost. The queue stays open."""
        self._stopped = True
        adder = self._adder
        if adder is not None:
            await asyncio.wait([adder], timeout=within_seconds)
            adder.cancel()
            await asyncio.wait([adder])
        self._lost += self.waiting
        self._messages.clear()
        self._numbers.clear()

    def _add_soon(self) -> None:
        if self._adder is None and self.waiting:
            self._adder = asyncio.create_task(self._add_while_waiting(), name="queue-waker")

    async def _add_while_waiting(self) -> None:
        try:
            while self.waiting:
                await self._add(*self._take())
        finally:
            self._adder = None

    async def _add(self, jobs: list[NewJob], wishes: int) -> None:
        try:
            await self._queue.add_jobs(jobs)
        except QueueUnavailableError as error:
            self._lost += wishes
            if not self._away:
                log.warning("wake_ups_not_taken", detail=error.detail)
            self._away = True
        except asyncio.CancelledError:
            self._lost += wishes
            raise
        else:
            if self._away:
                log.info("wake_ups_taken_again", lost=self._lost)
            self._away = False

    def _take(self) -> tuple[list[NewJob], int]:
        """The next jobs, and how many messages and numbers they wake.

        Up to half an add's worth of each kind, so that neither waits for the other's end.
        """
        messages = self._messages
        ids = [messages.popleft() for _ in range(min(len(messages), MESSAGES_PER_ADD))]
        numbers = list(self._numbers)[:NUMBERS_PER_ADD]
        now = asyncio.get_running_loop().time()
        drains = [drain_job(n, delay_seconds=self._numbers.pop(n) - now) for n in numbers]
        return [*send_jobs(ids), *drains], len(ids) + len(numbers)
