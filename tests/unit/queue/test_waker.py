"""The fire-and-forget side: what it groups, what it bounds, and that it never bothers a caller."""

import asyncio
from collections.abc import Sequence
from itertools import chain
from typing import Any, cast

import pytest

from manyline.queue.errors import QueueUnavailableError
from manyline.queue.jobs import NewJob
from manyline.queue.producer import WakeQueue
from manyline.queue.waker import Waker


class ScriptedQueue:
    """Takes what it is given as soon as its gate is open, unless Redis is "away"."""

    def __init__(self) -> None:
        self.adds: list[list[NewJob]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.away = False
        self.called = asyncio.Event()
        self.refused = asyncio.Event()

    async def add_jobs(self, jobs: Sequence[NewJob]) -> None:
        self.called.set()
        await self.gate.wait()
        if self.away:
            self.refused.set()
            raise QueueUnavailableError("away")
        self.adds.append(list(jobs))

    @property
    def messages(self) -> list[list[str]]:
        """The message ids of every `send` job so far."""
        return [j["data"]["messageIds"] for add in self.adds for j in add if j["name"] == "send"]

    @property
    def drains(self) -> list[tuple[str, Any]]:
        """Number and delay of every `drain` job so far."""
        jobs = [job for add in self.adds for job in add if job["name"] == "drain"]
        return [(job["data"]["phoneNumberId"], job["opts"].get("delay")) for job in jobs]


@pytest.fixture
def queue() -> ScriptedQueue:
    return ScriptedQueue()


def waker_on(queue: ScriptedQueue, **bounds: int) -> Waker:
    return Waker(cast(WakeQueue, queue), **bounds)


async def test_a_lone_message_is_woken_at_once(queue: ScriptedQueue) -> None:
    waker = waker_on(queue)

    waker.wake_messages(["a"])
    await asyncio.wait_for(queue.called.wait(), 1)
    await waker.stop()

    assert queue.messages == [["a"]]
    assert waker.lost == 0


async def test_what_arrives_during_an_add_goes_together_into_the_next(
    queue: ScriptedQueue,
) -> None:
    waker = waker_on(queue)
    queue.gate.clear()
    waker.wake_messages(["first"])
    await asyncio.wait_for(queue.called.wait(), 1)

    for number in range(120):
        waker.wake_messages([f"m{number}"])
    waker.wake_number("111")
    assert waker.waiting == 121
    queue.gate.set()
    await waker.stop()

    assert len(queue.adds) == 2
    assert [len(group) for group in queue.messages] == [1, 50, 50, 20]
    assert list(chain(*queue.messages)) == ["first", *(f"m{number}" for number in range(120))]
    assert queue.drains == [("111", None)]


async def test_of_two_wishes_for_a_number_the_earlier_stands(queue: ScriptedQueue) -> None:
    waker = waker_on(queue)

    waker.wake_number("111", delay_seconds=60)
    waker.wake_number("111", delay_seconds=5)
    waker.wake_number("111", delay_seconds=30)
    waker.wake_number("222", delay_seconds=5)
    waker.wake_number("222")
    await waker.stop()

    delays = dict(queue.drains)
    assert len(queue.drains) == 2
    assert 4000 < delays["111"] <= 5000
    assert delays["222"] is None


async def test_no_add_grows_beyond_its_bound(queue: ScriptedQueue) -> None:
    waker = waker_on(queue)

    waker.wake_messages([f"m{number}" for number in range(12_000)])
    for number in range(250):
        waker.wake_number(str(number))
    await waker.stop()

    assert max(len(add) for add in queue.adds) <= 200
    assert sum(len(group) for group in queue.messages) == 12_000
    assert len(queue.drains) == 250


async def test_beyond_its_bounds_wishes_are_dropped_and_counted(queue: ScriptedQueue) -> None:
    waker = waker_on(queue, waiting_messages=10, waiting_numbers=2)

    waker.wake_messages([f"m{number}" for number in range(15)])
    for number in ("1", "2", "3", "1"):
        waker.wake_number(number)
    assert waker.lost == 6
    await waker.stop()

    assert list(chain(*queue.messages)) == [f"m{number}" for number in range(10)]
    assert [number for number, _ in queue.drains] == ["1", "2"]


async def test_a_redis_that_is_away_costs_wake_ups_and_nothing_else(queue: ScriptedQueue) -> None:
    waker = waker_on(queue)
    queue.away = True
    waker.wake_messages(["a", "b"])
    waker.wake_number("111")
    await asyncio.wait_for(queue.refused.wait(), 1)

    queue.away = False
    waker.wake_messages(["c"])
    await waker.stop()

    assert queue.messages == [["c"]]
    assert waker.lost == 3


async def test_stop_is_bounded_and_counts_what_it_leaves(queue: ScriptedQueue) -> None:
    waker = waker_on(queue)
    queue.gate.clear()
    waker.wake_messages(["a"])
    await asyncio.wait_for(queue.called.wait(), 1)
    waker.wake_messages(["b", "c"])

    await asyncio.wait_for(waker.stop(within_seconds=0.05), 1)
    waker.wake_messages(["late"])

    assert queue.adds == []
    assert waker.lost == 4
    assert waker.waiting == 0
