"""Which wake-up a message gets: light traffic its own, a broadcast one drain."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from manyline.queue.waker import Waker
from manyline.sending.wakes import BUSY_ABOVE, DRAIN_EVERY_SECONDS, Wakes


class Queue:
    def __init__(self) -> None:
        self.messages: list[list[str]] = []
        self.numbers: list[tuple[str, float]] = []

    def wake_messages(self, message_ids: Iterable[str]) -> None:
        self.messages.append(list(message_ids))

    def wake_number(self, phone_number_id: str, *, delay_seconds: float = 0) -> None:
        self.numbers.append((phone_number_id, delay_seconds))


class Time:
    """A clock, and the calls that wait for it."""

    def __init__(self) -> None:
        self.now = 100.0
        self._later: list[tuple[float, Callable[[], None]]] = []

    def __call__(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self._later.append((self.now + seconds, call))

    def pass_until(self, at: float) -> None:
        due = sorted((when, call) for when, call in self._later if when <= at)
        self._later = [(when, call) for when, call in self._later if when > at]
        for when, call in due:
            self.now = when
            call()
        self.now = at


def test_light_traffic_is_woken_message_by_message() -> None:
    queue = Queue()
    wakes = Wakes(queue, monotonic=Time())
    wakes.wake([("m1", "111"), ("m2", "222")])
    wakes.wake([])
    assert queue.messages == [["m1", "m2"]]
    assert queue.numbers == []


def test_a_broadcast_is_left_to_its_drain_and_others_are_not() -> None:
    queue, time = Queue(), Time()
    wakes = Wakes(queue, monotonic=time, call_later=time.call_later)
    for n in range(3 * BUSY_ABOVE):
        wakes.wake([(f"m{n}", "111")])
    wakes.wake([("other", "222"), ("more", "111")])
    assert sum(map(len, queue.messages)) == BUSY_ABOVE + 1
    assert queue.messages[-1] == ["other"]
    # One at once, and one a little later for whatever the first was too early for.
    assert queue.numbers == [("111", 0)]
    time.pass_until(time.now + 0.5)
    assert queue.numbers == [("111", 0), ("111", 0)]


def test_one_batch_wakes_a_busy_number_once() -> None:
    queue = Queue()
    Wakes(queue, monotonic=Time()).wake((f"m{n}", "111") for n in range(500))
    assert [len(ids) for ids in queue.messages] == [BUSY_ABOVE]
    assert queue.numbers == [("111", 0)]


def test_a_second_later_nobody_is_busy() -> None:
    queue, time = Queue(), Time()
    wakes = Wakes(queue, monotonic=time)
    wakes.wake((f"m{n}", "111") for n in range(500))
    time.now += 1.0
    wakes.wake([("late", "111")])
    assert queue.messages[-1] == ["late"]


class Jobs:
    """Redis' side: notes when each drain that was added may run."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self.drains: list[float] = []

    async def add_jobs(self, jobs: Iterable[dict[str, Any]]) -> None:
        for job in jobs:
            if job["name"] == "drain":
                self.drains.append(self._time.now + job["opts"].get("delay", 0) / 1000)


async def test_every_message_of_a_busy_number_is_followed_by_a_drain() -> None:
    """Also when the wishes for two drains meet before either is added, as they do under load."""
    time = Time()
    jobs: Any = Jobs(time)
    waker = Waker(jobs)
    wakes = Wakes(waker, monotonic=time, call_later=time.call_later)
    wakes.wake((f"m{n}", "111") for n in range(BUSY_ABOVE))
    start = time.now
    wakes.wake([("two wishes", "111")])
    wakes.wake([("that meet", "111")])
    for at in (0.0, 0.1, 0.3, 0.31, 0.32, 0.6, 0.9):
        time.pass_until(start + at)
        if at:
            wakes.wake([(f"at {at}", "111")])
        woken_at = time.now
        await added(waker)
        time.pass_until(start + at + 0.005)
        if max(jobs.drains) < woken_at:
            time.pass_until(start + at + DRAIN_EVERY_SECONDS)
            await added(waker)
        assert max(jobs.drains) >= woken_at, f"nothing comes after {at}"
    await waker.stop()


async def added(waker: Waker) -> None:
    async with asyncio.timeout(2):
        while waker.waiting:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
