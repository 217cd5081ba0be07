"""What happens to one job between BullMQ handing it over and taking its outcome back."""

import asyncio
import time
from collections import Counter
from typing import Any, Protocol, cast

import structlog
from bullmq.custom_errors import DelayedError
from redis.asyncio import Redis

from manyline.observability.failures import describe_failure
from manyline.queue.errors import JobFailedError
from manyline.queue.jobs import Drain, Send, read_job
from manyline.queue.producer import WakeQueue

log = structlog.get_logger(__name__)


class JobHandlers(Protocol):
    """What the worker does with its jobs.

    An exception is for trouble of our own infrastructure: BullMQ runs the job again after 1, 2, 4
    and 8 s, then keeps it as failed. A handler is cancelled only when the worker has to stop and
    the handler outstays its time; the job then goes to another worker.
    """

    async def send(self, message_ids: list[str]) -> None:
        """Deliver these messages, as far as they are eligible."""
        ...

    async def drain(self, phone_number_id: str) -> float | None:
        """Deliver what is due of this number.

        Returns the seconds after which there will be more to do (0: put the drain at the end of
        the queue), or None when nothing is left. It must count every message stored before it
        was called, also one that is due later: drains that wait absorb equal ones.
        """
        ...


class JobProcessor:
    """Reads the job, calls its handler, and turns every outcome into one that BullMQ survives."""

    def __init__(
        self, *, handlers: JobHandlers, queue: WakeQueue, client: Redis, drains_per_number: int
    ) -> None:
        self._handlers = handlers
        self._queue = queue
        self._client = client
        self._drains_per_number = drains_per_number
        self._draining: Counter[str] = Counter()
        self._drain_again: set[str] = set()
        self._handling: set[asyncio.Task[Any]] = set()
        self._handing_back = False

    def hand_back(self) -> int:
        """Cancel the handlers that still run; their jobs return to the queue. Says how many."""
        self._handing_back = True
        for task in self._handling:
            task.cancel()
        return len(self._handling)

    async def __call__(self, job: Any, token: str) -> None:
        """BullMQ's processor. Returns None always: an unserialisable value would re-run the job."""
        try:
            await self._handle(job)
        except asyncio.CancelledError as error:
            if self._handing_back:
                await self._return_to_queue(job, token)
            # One that escapes would leave the job active, and nobody renewing its lock.
            _log_failure(job, error)
            raise JobFailedError("CancelledError") from None
        except Exception as error:  # noqa: BLE001 - whatever it is, it is one failed attempt
            _log_failure(job, error)
            raise JobFailedError(type(error).__name__) from None

    async def _handle(self, job: Any) -> None:
        """Run the job as one that may be cancelled; taking its outcome to Redis may not."""
        if self._handing_back:
            raise asyncio.CancelledError
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._handling.add(task)
        try:
            await self._run(job)
        finally:
            self._handling.discard(task)

    async def _run(self, job: Any) -> None:
        wanted = read_job(job.name, job.data)
        match wanted:
            case Send(message_ids):
                await self._handlers.send(message_ids)
            case Drain(phone_number_id):
                await self._lift_deduplication(job)
                await self._drain(phone_number_id)
            case None:
                # Completed, since no further attempt would understand it either.
                log.error("job_not_understood", job=str(job.name)[:40], job_id=job.id)

    async def _lift_deduplication(self, job: Any) -> None:
        """Let new drains in, before the handler looks at the store.

        What was stored before a drain was dropped as equal is therefore seen by this one.
        """
        if job.deduplication_id:
            await self._client.delete(job.backend.toKey(f"de:{job.deduplication_id}"))

    async def _drain(self, number: str) -> None:
        """Run the number's drain unless enough of them run here; the next to end repeats for it.

        Otherwise a number whose calls hang would fill every slot of the worker with its drains.
        """
        if self._draining[number] >= self._drains_per_number:
            self._drain_again.add(number)
            return
        self._draining[number] += 1
        try:
            delay = await self._handlers.drain(number)
        finally:
            self._draining[number] -= 1
            if not self._draining[number]:
                del self._draining[number]
        if number in self._drain_again:
            self._drain_again.discard(number)
            delay = 0.0
        if delay is not None:
            # Before the job completes: a crash in between doubles a wake-up and loses none.
            await self._queue.add_drains([number], delay_seconds=delay)

    async def _return_to_queue(self, job: Any, token: str) -> None:
        """Give the job to another worker at once, its attempts unchanged."""
        cast("asyncio.Task[Any]", asyncio.current_task()).uncancel()
        await job.moveToDelayed(round(time.time() * 1000), token)
        raise DelayedError


def _log_failure(job: Any, error: BaseException) -> None:
    attempt = job.attemptsMade + 1
    log.error("job_failed", job=job.name, attempt=attempt, **describe_failure(error))
