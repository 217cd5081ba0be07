"""A handler that fails, and a worker that ends by itself."""

import asyncio
from typing import Any

import pytest
from bullmq import Worker

from manyline.queue.errors import WorkerDiedError

PREFIX = "bull:whatsapp-send-queue:"


async def test_a_failed_job_is_tried_again_and_redis_never_learns_why(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    async def fail_once(_ids: list[str]) -> None:
        if len(recorder.sends) == 1:
            raise ValueError("+919012345678 says hello")

    recorder.on_send = fail_once
    start_worker(valkey, recorder)
    await queue.add_sends(["a"])
    await eventually(lambda: valkey.console.zcard(PREFIX + "delayed"))

    (job_id,) = valkey.console.zrange(PREFIX + "delayed", 0, -1)
    job = valkey.console.hgetall(PREFIX + job_id)
    assert job["failedReason"] == "ValueError"
    assert "919012345678" not in str(job)

    await eventually(lambda: recorder.ended == 1)
    assert recorder.sends == [["a"], ["a"]]
    assert 0.9 < recorder.times[1] - recorder.times[0] < 4


async def test_a_cancellation_inside_a_handler_does_not_end_the_worker(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    async def cancelled(ids: list[str]) -> None:
        if ids == ["bad"]:
            raise asyncio.CancelledError

    recorder.on_send = cancelled
    _, running = start_worker(valkey, recorder)
    await queue.add_sends(["bad"])
    await eventually(lambda: valkey.console.zcard(PREFIX + "delayed"))
    await queue.add_sends(["good"])
    await eventually(lambda: recorder.ended == 1)

    assert not running.done()
    assert recorder.sends == [["bad"], ["good"]]
    assert (await queue.counts())["active"] == 0


@pytest.mark.parametrize("end", [asyncio.CancelledError(), TypeError("changed"), SystemError()])
async def test_run_raises_when_the_worker_ends_by_itself(
    valkey: Any,
    recorder: Any,
    start_worker: Any,
    monkeypatch: pytest.MonkeyPatch,
    end: BaseException,
) -> None:
    async def ended(_worker: Any, _token: str) -> None:
        raise end

    monkeypatch.setattr(Worker, "getNextJob", ended)
    _, running = start_worker(valkey, recorder)

    with pytest.raises(WorkerDiedError, match="queue-taker"):
        await asyncio.wait_for(running, 5)


async def test_a_job_that_cannot_be_read_stops_no_other(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    await queue.add_sends(["spoilt"])
    (job_id,) = valkey.console.lrange(PREFIX + "wait", 0, -1)
    valkey.console.hset(PREFIX + job_id, "data", "{not json")

    _, running = start_worker(valkey, recorder)
    for number in range(6):
        await queue.add_sends([str(number)])
    await eventually(lambda: recorder.ended == 6)

    assert not running.done()
