"""Stopping a worker: every job ran once or is back in the queue, and none is left active."""

import asyncio
import random
import time
from collections import Counter
from typing import Any

import pytest

PREFIX = "bull:whatsapp-send-queue:"


async def test_a_long_job_is_finished_and_run_by_nobody_else(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    """It outlives its lock three times over; renewing must go on while the worker stops."""
    recorder.on_send = lambda ids: asyncio.sleep(1.5 if ids == ["long"] else 0.05)
    other = type(recorder)()
    shell, running = start_worker(valkey, recorder, lock_seconds=0.5, check_seconds=0.1)
    await queue.add_sends(["long"])
    await queue.add_sends(["short"])
    await eventually(lambda: len(recorder.sends) == 2)

    start_worker(valkey, other, lock_seconds=0.5, check_seconds=0.1)
    await shell.stop(within_seconds=5)
    await running

    assert recorder.ended == 2
    assert other.sends == []
    assert await queue.counts() == {"waiting": 0, "active": 0, "delayed": 0, "failed": 0}


async def test_a_handler_that_outstays_its_time_gives_its_job_back(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    recorder.on_send = lambda _ids: asyncio.Event().wait()
    other = type(recorder)()
    shell, running = start_worker(valkey, recorder)
    await queue.add_sends(["a"])
    await eventually(lambda: recorder.sends)

    asked = time.monotonic()
    await shell.stop(within_seconds=0.2)
    await running

    assert time.monotonic() - asked < 2
    assert await queue.counts() == {"waiting": 0, "active": 0, "delayed": 1, "failed": 0}
    (job_id,) = valkey.console.zrange(PREFIX + "delayed", 0, -1)
    assert valkey.console.hget(PREFIX + job_id, "atm") in (None, "0")

    start_worker(valkey, other)
    await eventually(lambda: other.ended == 1)
    assert other.sends == [["a"]]


async def test_an_idle_worker_stops_at_once(
    valkey: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    shell, running = start_worker(valkey, recorder, idle_seconds=10)
    await eventually(
        lambda: any(c["cmd"] == "bzpopmin" for c in valkey.console.client_list()), within=5
    )

    asked = time.monotonic()
    await shell.stop(within_seconds=5)
    await running

    assert time.monotonic() - asked < 2
    await eventually(lambda: valkey.console.info("clients")["blocked_clients"] == 0, within=1)


async def test_stopping_amid_jobs_again_and_again_loses_and_doubles_none(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    """Twelve workers one after the other, each stopped at another moment of the stream."""
    moments = random.Random(7)
    recorder.on_send = lambda _ids: asyncio.sleep(moments.uniform(0, 0.02))

    for round_number in range(12):
        shell, running = start_worker(valkey, recorder, concurrency=4)
        for number in range(10):
            await queue.add_sends([f"{round_number}-{number}"])
        await eventually(lambda n=round_number: recorder.ended > n * 8)
        await asyncio.sleep(moments.uniform(0, 0.01))
        await shell.stop(within_seconds=5)
        await running
        assert valkey.console.llen(PREFIX + "active") == 0

    start_worker(valkey, recorder)
    await eventually(lambda: recorder.ended == 120)
    assert set(Counter(ids[0] for ids in recorder.sends).values()) == {1}


async def test_a_cancelled_run_gives_its_jobs_back(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    recorder.on_send = lambda _ids: asyncio.Event().wait()
    _, running = start_worker(valkey, recorder)
    await queue.add_sends(["a"])
    await eventually(lambda: recorder.sends)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert await queue.counts() == {"waiting": 0, "active": 0, "delayed": 1, "failed": 0}


async def test_stop_before_run_lets_run_return(
    valkey: Any, recorder: Any, start_worker: Any
) -> None:
    shell, running = start_worker(valkey, recorder)

    await shell.stop(within_seconds=1)

    await asyncio.wait_for(running, 5)
