"""A delayed job runs when it is due, however the client's timeouts compare with the wait."""

import json
import time
from typing import Any

PREFIX = "bull:whatsapp-send-queue:"


async def test_a_delayed_job_runs_on_time_on_an_idle_worker(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    """6.3 s is one blocking read longer than redis-py's own `socket_timeout` of 5 s.

    With that timeout the read is cut off, begun anew and cut off again. 0.3 s on the other hand
    shows that waits are not rounded up to whole seconds.
    """
    start_worker(valkey, recorder, idle_seconds=10)
    await queue.add_drains(["first"])
    await eventually(lambda: recorder.ended == 1)

    added = time.monotonic()
    await queue.add_drains(["late"], delay_seconds=6.3)
    await queue.add_drains(["soon"], delay_seconds=0.3)
    await eventually(lambda: recorder.ended == 3, within=10)

    assert recorder.drains == ["first", "soon", "late"]
    assert 0.29 < recorder.times[1] - added < 0.9
    assert 6.29 < recorder.times[2] - added < 8.5


async def test_a_job_whose_wake_up_died_with_another_worker_is_taken_all_the_same(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    """A job lies there but its marker, which ends the idle wait, does not."""
    start_worker(valkey, recorder, idle_seconds=0.5)
    await queue.add_sends(["first"])
    await eventually(lambda: recorder.ended == 1)

    job = {"name": "send", "data": json.dumps({"messageIds": ["a"]}), "opts": "{}", "timestamp": 1}
    valkey.console.hset(PREFIX + "send-unmarked", mapping=job)
    valkey.console.lpush(PREFIX + "wait", "send-unmarked")

    await eventually(lambda: recorder.ended == 2, within=2)
    assert recorder.sends == [["first"], ["a"]]
