"""Group commit: many callers, one write.

Callers hand in items and wait for their own outcomes. Whatever waits is flushed the moment the
previous flush ends, so an idle system answers at once and a busy one makes its batches as large
as its store is slow; where a batch costs more than waiting is worth, they are kept apart. Several
flushes may be under way beside one another, so that this process works on one while the store
works on another.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from manyline.base.errors import ManylineError

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class OverloadedError(ManylineError):
    """More is waiting to be stored than this process will hold; the caller should come again."""

    code = "overloaded"
    retryable = True


@dataclass(slots=True)
class _Submission(Generic[Item, Outcome]):
    items: Sequence[Item]
    done: asyncio.Future[Sequence[Outcome]]


class GroupCommit(Generic[Item, Outcome]):
    """Runs `flush(items)`, which answers one outcome per item in the same order.

    When `flush` raises, every submission of that flush gets the exception. At most `flushes` run
    at once; another begins beside those under way only when `worth_another` items wait for it.

    None begins sooner than `apart` seconds after the one before began, unless `enough` items wait,
    or the one before had fewer than `company` callers: nobody waits for others who do not come.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]],
        *,
        flush_items: int = 500,
        waiting_items: int = 20_000,
        flushes: int = 1,
        worth_another: int = 1,
        apart: float = 0.0,
        enough: int = 1,
        company: int = 1,
    ) -> None:
        self._flush = flush
        self._flush_items = flush_items
        self._waiting_items = waiting_items
        self._waiting: deque[_Submission[Item, Outcome]] = deque()
        self._count = 0
        self._flushes = flushes
        self._worth_another = worth_another
        self._apart = apart
        self._enough = enough
        self._company = company
        self._enough_wait = asyncio.Event()
        self._next_at = 0.0
        self._callers_last = 0
        self._stopped = False
        self._flushers: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Items that no flush has taken yet."""
        return self._count

    async def submit(self, items: Sequence[Item]) -> Sequence[Outcome]:
        """Store `items` with whatever else waits; raises `OverloadedError` when too much does.

        A submission is never split over two flushes, so its items are stored in one go.
        """
        if not items:
            return []
        if self._count and self._count + len(items) > self._waiting_items:
            raise OverloadedError("too much is waiting to be stored; try again in a few seconds")
        if self._stopped:
            raise asyncio.CancelledError
        done: asyncio.Future[Sequence[Outcome]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Submission(items, done))
        self._count += len(items)
        if self._count >= self._enough:
            self._enough_wait.set()
        if not self._flushers or (
            len(self._flushers) < self._flushes and self._count >= self._worth_another
        ):
            flusher = asyncio.create_task(self._flush_while_waiting())
            self._flushers.add(flusher)
            flusher.add_done_callback(self._flushers.discard)
        return await done

    async def drained(self) -> None:
        """Wait until nothing waits and no flush runs."""
        while self._flushers:
            await asyncio.wait(self._flushers)

    async def stop(self) -> None:
        """Cancel what is under way, waits or comes; whoever waits for it gets the cancellation."""
        self._stopped = True
        while self._waiting:
            self._waiting.popleft().done.cancel()
        self._count = 0
        for flusher in self._flushers:
            flusher.cancel()
        await self.drained()

    async def _flush_while_waiting(self) -> None:
        try:
            while self._waiting:
                await self._keep_apart()
                if self._waiting:  # Another flusher may have taken all meanwhile.
                    await self._flush_once(self._take())
        finally:
            # In this very step: who hands something in after it must find that nobody flushes.
            self._flushers.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _keep_apart(self) -> None:
        early = self._next_at - time.monotonic()
        if early > 0 and self._count < self._enough and self._callers_last >= self._company:
            self._enough_wait.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._enough_wait.wait(), early)

    def _take(self) -> list[_Submission[Item, Outcome]]:
        taken: list[_Submission[Item, Outcome]] = []
        size = 0
        while self._waiting and (
            not taken or size + len(self._waiting[0].items) <= self._flush_items
        ):
            submission = self._waiting.popleft()
            taken.append(submission)
            size += len(submission.items)
        self._count -= size
        self._callers_last = len(taken)
        self._next_at = time.monotonic() + self._apart
        return taken

    async def _flush_once(self, taken: list[_Submission[Item, Outcome]]) -> None:
        items = [item for submission in taken for item in submission.items]
        try:
            outcomes = await self._flush(items)
        except BaseException as error:
            for submission in taken:
                if not submission.done.done():
                    submission.done.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        start = 0
        for submission in taken:
            end = start + len(submission.items)
            if not submission.done.done():
                submission.done.set_result(outcomes[start:end])
            start = end
