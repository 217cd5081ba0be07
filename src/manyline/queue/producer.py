"""Puts wake-ups into the queue, and says within about a second when Redis does not take them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from bullmq import Queue
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from manyline.infra.redis import RedisServer, open_quick_redis
from manyline.queue.errors import QueueUnavailableError
from manyline.queue.jobs import QUEUE_NAME, NewJob, drain_job, send_jobs

JOBS_PER_ADD = 200
"""Most jobs in one transaction: some 20 ms of work on either side, well within the deadline."""

DEADLINE_SECONDS = 1.5
"""Connecting may take a second and so may the answer; together they may not take two."""

COUNTED = ("waiting", "active", "delayed", "failed")


class WakeQueue:
    """The producer's side of the queue. Every method raises `QueueUnavailableError`."""

    def __init__(self, *, redis: RedisServer) -> None:
        self._client = open_quick_redis(redis)
        self._queue = Queue(QUEUE_NAME, {"connection": self._client})

    async def add_sends(self, message_ids: Sequence[str]) -> None:
        """Wake these messages: `send` jobs of up to 50 ids each, in order."""
        await self.add_jobs(list(send_jobs(message_ids)))

    async def add_drains(
        self, phone_number_ids: Iterable[str], *, delay_seconds: float = 0
    ) -> None:
        """Wake the backlogs of these numbers, unless an equal drain still waits (`drain_job`)."""
        numbers = dict.fromkeys(phone_number_ids)
        await self.add_jobs([drain_job(number, delay_seconds=delay_seconds) for number in numbers])

    async def add_jobs(self, jobs: Sequence[NewJob]) -> None:
        """Add ready-made jobs, 200 in a transaction; on an error the later ones were not added.

        A job whose add timed out may have landed all the same. That is harmless: it is a wake-up.
        """
        for start in range(0, len(jobs), JOBS_PER_ADD):
            async with self._answers():
                await self._add(jobs[start : start + JOBS_PER_ADD])

    async def counts(self) -> dict[str, int]:
        """How many jobs are `waiting`, `active`, `delayed` and `failed`."""
        async with self._answers():
            counts: dict[str, int] = await self._queue.getJobCounts(*COUNTED)
        return counts

    async def ping(self) -> None:
        """Return when Redis answers."""
        async with self._answers():
            await self._client.ping()

    async def close(self) -> None:
        """Give back every connection."""
        await self._queue.close()

    async def _add(self, jobs: Sequence[NewJob]) -> None:
        """One round trip for one job; two for many, since a transaction first asks for its scripts.

        A connection that broke since its last use shows only now, hence the second try (not after
        a timeout). Ids are set by now, so it cannot double what the first one added.
        """
        try:
            await self._add_once(jobs)
        except RedisConnectionError:
            await self._add_once(jobs)

    async def _add_once(self, jobs: Sequence[NewJob]) -> None:
        if len(jobs) == 1:
            await self._queue.add(jobs[0]["name"], jobs[0]["data"], jobs[0]["opts"])
        else:
            await self._queue.addBulk(jobs)

    @asynccontextmanager
    async def _answers(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                yield
        except (RedisError, OSError, TimeoutError) as error:
            raise QueueUnavailableError(
                f"Redis did not take the call ({type(error).__name__}); nothing is lost, the relay"
                " finds what waits in MongoDB. Is Redis running, and has it memory left?"
            ) from error
