"""What one job's outcome becomes, without a server."""

import asyncio
from typing import Any, cast

import pytest
import structlog
from bullmq.custom_errors import DelayedError
from redis.asyncio import Redis

from manyline.base.errors import StoreUnavailableError
from manyline.queue.errors import JobFailedError
from manyline.queue.processor import JobHandlers, JobProcessor
from manyline.queue.producer import WakeQueue

SECRET = "+919012345678 says hello"


class Journal:
    """Stands for Redis, the queue and a job's backend: notes what they were asked, in order."""

    def __init__(self) -> None:
        self.lines: list[Any] = []

    async def delete(self, key: str) -> None:
        self.lines.append(("lifted", key))

    async def add_drains(self, numbers: list[str], *, delay_seconds: float) -> None:
        self.lines.append(("added", numbers, delay_seconds))

    def toKey(self, name: str) -> str:
        return f"bull:q:{name}"


class Job:
    """As much of BullMQ's job as a processor sees."""

    def __init__(self, journal: Journal, name: str, data: object) -> None:
        self.name = name
        self.data = data
        self.id = "j"
        self.attemptsMade = 0
        self.backend = journal
        self.deduplication_id = "drain-111" if name == "drain" else None

    async def moveToDelayed(self, timestamp: int, token: str) -> None:
        cast(Journal, self.backend).lines.append(("returned", token))


class Handlers:
    """Runs a scripted coroutine for either job."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.outcome: Any = None
        self.gate: asyncio.Event | None = None
        self.called = asyncio.Semaphore(0)

    async def send(self, message_ids: list[str]) -> None:
        return await self._answer(("send", message_ids))

    async def drain(self, phone_number_id: str) -> float | None:
        return cast("float | None", await self._answer(("drain", phone_number_id)))

    async def _answer(self, line: Any) -> Any:
        self.journal.lines.append(line)
        self.called.release()
        if self.gate:
            await self.gate.wait()
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def handlers(journal: Journal) -> Handlers:
    return Handlers(journal)


@pytest.fixture
def processor(journal: Journal, handlers: Handlers) -> JobProcessor:
    return JobProcessor(
        handlers=cast(JobHandlers, handlers),
        queue=cast(WakeQueue, journal),
        client=cast(Redis, journal),
        drains_per_number=2,
    )


async def run(processor: JobProcessor, journal: Journal, name: str, data: object) -> Any:
    return await asyncio.create_task(processor(Job(journal, name, data), "token"))


DRAIN = ("drain", {"phoneNumberId": "111"})


async def test_a_handlers_value_never_reaches_bullmq(
    processor: JobProcessor, journal: Journal, handlers: Handlers
) -> None:
    handlers.outcome = object()

    assert await run(processor, journal, "send", {"messageIds": ["a"]}) is None
    assert journal.lines == [("send", ["a"])]


async def test_a_drain_lets_new_ones_in_before_it_looks(
    processor: JobProcessor, journal: Journal
) -> None:
    await run(processor, journal, *DRAIN)

    assert journal.lines == [("lifted", "bull:q:de:drain-111"), ("drain", "111")]


@pytest.mark.parametrize("delay", [0.0, 2.5])
async def test_a_drain_with_more_to_do_is_put_back_after_it_ended(
    processor: JobProcessor, journal: Journal, handlers: Handlers, delay: float
) -> None:
    handlers.outcome = delay

    await run(processor, journal, *DRAIN)

    assert journal.lines[1:] == [("drain", "111"), ("added", ["111"], delay)]


@pytest.mark.parametrize(
    ("name", "data"), [("resend", {"messageIds": ["a"]}), ("send", {"ids": 3}), ("drain", None)]
)
async def test_what_is_not_understood_completes(
    processor: JobProcessor, journal: Journal, name: str, data: object
) -> None:
    with structlog.testing.capture_logs() as lines:
        assert await run(processor, journal, name, data) is None

    assert journal.lines == []
    assert [line["event"] for line in lines] == ["job_not_understood"]


async def test_an_error_fails_the_attempt_and_shows_no_data(
    processor: JobProcessor, journal: Journal, handlers: Handlers
) -> None:
    handlers.outcome = ValueError(SECRET)

    with structlog.testing.capture_logs() as lines, pytest.raises(JobFailedError) as failure:
        await run(processor, journal, "send", {"messageIds": ["a"]})

    assert str(failure.value) == "ValueError"
    assert SECRET not in str(lines)
    assert lines[0]["error"] == "ValueError"
    assert "_answer" in lines[0]["where"][-1]


async def test_an_error_of_ours_is_logged_with_what_it_means(
    processor: JobProcessor, journal: Journal, handlers: Handlers
) -> None:
    handlers.outcome = StoreUnavailableError("the database did not take the call")

    with structlog.testing.capture_logs() as lines, pytest.raises(JobFailedError):
        await run(processor, journal, *DRAIN)

    assert lines[0]["detail"] == "the database did not take the call"


async def test_a_cancellation_inside_a_handler_is_a_failed_attempt(
    processor: JobProcessor, journal: Journal, handlers: Handlers
) -> None:
    handlers.outcome = asyncio.CancelledError()

    with pytest.raises(JobFailedError, match="CancelledError"):
        await run(processor, journal, "send", {"messageIds": ["a"]})


async def test_handing_back_returns_the_jobs_that_run_and_those_that_start_late(
    processor: JobProcessor, journal: Journal, handlers: Handlers
) -> None:
    handlers.gate = asyncio.Event()
    running = asyncio.create_task(processor(Job(journal, "send", {"messageIds": ["a"]}), "t1"))
    await asyncio.sleep(0)

    assert processor.hand_back() == 1
    with pytest.raises(DelayedError):
        await running
    with pytest.raises(DelayedError):
        await processor(Job(journal, "send", {"messageIds": ["b"]}), "t2")

    assert journal.lines == [("send", ["a"]), ("returned", "t1"), ("returned", "t2")]


async def test_a_number_runs_two_drains_at_most_and_then_once_more(
    processor: JobProcessor, journal: Journal, handlers: Handlers
) -> None:
    handlers.gate = asyncio.Event()
    two = [asyncio.create_task(run(processor, journal, *DRAIN)) for _ in range(2)]
    async with asyncio.timeout(1):
        await handlers.called.acquire()
        await handlers.called.acquire()

    async with asyncio.timeout(1):
        await run(processor, journal, *DRAIN)
        await run(processor, journal, *DRAIN)
    assert journal.lines.count(("drain", "111")) == 2

    handlers.gate.set()
    await asyncio.gather(*two)
    assert [line for line in journal.lines if line[0] == "added"] == [("added", ["111"], 0.0)]

    await run(processor, journal, *DRAIN)
    assert journal.lines.count(("drain", "111")) == 3
