"""Drains: equal ones that wait are one, an active one stands in nobody's way, the rest repeat."""

import asyncio
from typing import Any

PREFIX = "bull:whatsapp-send-queue:"


async def test_equal_drains_that_wait_are_one(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    for _ in range(3):
        await queue.add_drains(["111", "222", "111"])
        await queue.add_drains(["111"], delay_seconds=0.5)
        await queue.add_drains(["111"], delay_seconds=600)
    assert await queue.counts() == {"waiting": 2, "active": 0, "delayed": 2, "failed": 0}

    start_worker(valkey, recorder)
    await eventually(lambda: recorder.ended == 3)
    assert sorted(recorder.drains) == ["111", "111", "222"]


async def test_a_drain_added_while_one_is_active_runs_as_well(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    gate = asyncio.Event()

    async def hold_first(_number: str) -> None:
        if len(recorder.drains) == 1:
            await gate.wait()

    recorder.on_drain = hold_first
    start_worker(valkey, recorder, concurrency=1)
    await queue.add_drains(["111"])
    await eventually(lambda: recorder.drains == ["111"])

    await queue.add_drains(["111"])
    await queue.add_drains(["111"], delay_seconds=0.1)
    counts = await queue.counts()
    assert (counts["waiting"], counts["active"], counts["delayed"]) == (1, 1, 1)
    gate.set()

    await eventually(lambda: recorder.ended == 3)


async def test_a_drain_that_failed_does_not_swallow_the_next(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    async def fail_first(_number: str) -> None:
        if len(recorder.drains) == 1:
            raise ValueError

    recorder.on_drain = fail_first
    start_worker(valkey, recorder)
    await queue.add_drains(["111"])
    await eventually(lambda: valkey.console.zcard(PREFIX + "delayed"))

    await queue.add_drains(["111"])
    await eventually(lambda: recorder.ended == 1, within=0.9)


async def test_a_drain_with_more_to_do_goes_to_the_end_of_the_queue(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    order: list[str] = []

    async def note_send(ids: list[str]) -> None:
        order.append(ids[0])

    async def more_twice(number: str) -> float | None:
        order.append(number)
        return 0 if order.count(number) < 3 else None

    recorder.on_send, recorder.on_drain = note_send, more_twice
    await queue.add_drains(["111"])
    await queue.add_sends(["a"])
    await queue.add_sends(["b"])
    start_worker(valkey, recorder, concurrency=1)
    await eventually(lambda: recorder.ended == 5)

    assert order == ["111", "a", "b", "111", "111"]
    await eventually(lambda: not valkey.console.llen(PREFIX + "active"))
    assert sum((await queue.counts()).values()) == 0


async def test_a_drain_that_wants_to_wait_comes_back_then(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    async def once_more(_number: str) -> float | None:
        return 0.25 if len(recorder.drains) == 1 else None

    recorder.on_drain = once_more
    start_worker(valkey, recorder)
    await queue.add_drains(["111"])
    await eventually(lambda: recorder.ended == 2)

    assert 0.24 < recorder.times[1] - recorder.times[0] < 0.9


async def test_a_number_that_hangs_holds_two_slots_at_most(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    gate = asyncio.Event()

    async def hold_two(_number: str) -> None:
        if len(recorder.drains) <= 2:
            await gate.wait()

    recorder.on_drain = hold_two
    start_worker(valkey, recorder, concurrency=3)
    for wanted in (1, 2, 2, 2):
        await queue.add_drains(["111"])
        await eventually(lambda wanted=wanted: len(recorder.drains) == wanted)
        await eventually(lambda: not valkey.console.llen(PREFIX + "wait"))

    await queue.add_sends(["of another number"])
    await eventually(lambda: recorder.ended == 1)
    assert recorder.drains == ["111", "111"]

    gate.set()
    await eventually(lambda: len(recorder.drains) == 3)


async def test_many_wishes_for_one_number_end_in_few_drains(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    """Chains of drains that each want to come back later merge instead of multiplying."""

    async def soon(_number: str) -> float | None:
        return 0.2 if recorder.ended < 60 else None

    recorder.on_drain = soon
    start_worker(valkey, recorder)
    for _ in range(50):
        await queue.add_drains(["111"])
        await eventually(lambda: not valkey.console.llen(PREFIX + "wait"))

    assert (await queue.counts())["delayed"] <= 2
