"""Redis refused, frozen, full, flushed, restarted: producers say so, workers live on."""

import asyncio
import signal
import time
from typing import Any

import pytest

from manyline.queue.errors import QueueUnavailableError
from manyline.queue.waker import Waker

PREFIX = "bull:whatsapp-send-queue:"


async def nothing_left_after(gate: asyncio.Event) -> None:
    await gate.wait()


async def test_an_add_fails_soon_when_redis_refuses(own_valkey: Any, open_queue: Any) -> None:
    queue = open_queue(own_valkey)

    for call in (
        queue.add_sends(["a"]),
        queue.add_drains(["1", "2"]),
        queue.counts(),
        queue.ping(),
    ):
        began = time.monotonic()
        with pytest.raises(QueueUnavailableError) as failure:
            await call
        assert time.monotonic() - began < 2
        assert failure.value.retryable


async def test_an_add_fails_soon_when_redis_hangs_and_may_have_landed(
    own_valkey: Any, open_queue: Any
) -> None:
    queue = open_queue(own_valkey)
    own_valkey.start()
    await queue.ping()

    own_valkey.send(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(QueueUnavailableError):
        await queue.add_sends(["a"])
    assert time.monotonic() - began < 2

    own_valkey.send(signal.SIGCONT)
    await queue.add_sends(["b"])
    assert (await queue.counts())["waiting"] <= 2


async def test_an_add_survives_a_restart_in_between(own_valkey: Any, open_queue: Any) -> None:
    """Both the connection and the scripts are gone."""
    queue = open_queue(own_valkey)
    own_valkey.start()
    await queue.add_sends(["a"])

    own_valkey.kill()
    own_valkey.start()

    await queue.add_sends(["b"])
    await queue.add_drains(["1", "2"])
    assert (await queue.counts())["waiting"] == 3


async def test_a_full_redis_refuses_wake_ups_and_still_completes_jobs(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    gate = asyncio.Event()
    recorder.on_send = lambda _ids: gate.wait()
    start_worker(valkey, recorder)
    await queue.add_sends(["a"])
    await eventually(lambda: recorder.sends)

    valkey.console.config_set("maxmemory", 1)
    with pytest.raises(QueueUnavailableError, match="memory"):
        await queue.add_sends(["b"])
    gate.set()

    await eventually(lambda: not valkey.console.llen(PREFIX + "active"))
    assert recorder.ended == 1


async def test_a_worker_takes_jobs_again_soon_after_redis_came_back(
    own_valkey: Any, open_queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    """It starts before Redis, loses it while idle, and loses it in the middle of a job."""
    shell, running = start_worker(own_valkey, recorder)
    queue = open_queue(own_valkey)
    await eventually(lambda: shell.redis_away)
    own_valkey.start()
    await queue.add_sends(["a"])
    await eventually(lambda: recorder.ended == 1, within=5)

    own_valkey.kill()
    await eventually(lambda: shell.redis_away)
    own_valkey.start()
    gate = asyncio.Event()
    recorder.on_send = lambda _ids: gate.wait()
    await queue.add_sends(["b"])
    await eventually(lambda: len(recorder.sends) == 2, within=5)

    own_valkey.kill()
    gate.set()
    await eventually(lambda: recorder.ended == 2)
    own_valkey.start()
    await queue.add_sends(["c"])
    await eventually(lambda: recorder.ended == 3, within=5)
    assert not running.done()


async def test_a_flush_in_the_middle_of_a_job_costs_the_queue_and_not_the_worker(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    gate = asyncio.Event()
    recorder.on_send = lambda _ids: gate.wait()
    recorder.on_drain = lambda _number: nothing_left_after(gate)
    shell, running = start_worker(valkey, recorder)
    await queue.add_sends(["a"])
    await queue.add_drains(["111"])
    await eventually(lambda: shell.active == 2)

    valkey.console.flushall()
    valkey.console.script_flush()
    await queue.add_drains(["111"])
    gate.set()
    await queue.add_sends(["b"])

    await eventually(lambda: recorder.ended == 4)
    await eventually(lambda: shell.active == 0)
    assert not running.done()
    assert await queue.counts() == {"waiting": 0, "active": 0, "delayed": 0, "failed": 0}


async def test_a_waker_hides_all_of_it_from_its_callers(
    own_valkey: Any, open_queue: Any, eventually: Any
) -> None:
    queue = open_queue(own_valkey)
    waker = Waker(queue)
    began = time.monotonic()
    waker.wake_messages(["a"])
    waker.wake_number("111")
    assert time.monotonic() - began < 0.05
    await eventually(lambda: waker.lost == 2)

    own_valkey.start()
    waker.wake_messages(["b"])
    waker.wake_number("111", delay_seconds=60)
    await waker.stop(within_seconds=2)

    assert waker.lost == 2
    assert await queue.counts() == {"waiting": 1, "active": 0, "delayed": 1, "failed": 0}
