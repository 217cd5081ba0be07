"""A worker killed with a job in its hands: another takes the job up, every time."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from manyline.queue.worker import MAX_STALLED_COUNT

LOCK_SECONDS = 0.5
SCRIPT = Path(__file__).with_name("worker_process.py")


async def kill_a_worker_in_mid_job(valkey: Any) -> None:
    """Start a worker process, and kill -9 it when it has taken the job."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        SCRIPT,
        str(valkey.address.port),
        str(LOCK_SECONDS),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        assert await asyncio.wait_for(process.stderr.readline(), 15) == b"2\n"
    finally:
        process.kill()
        await process.communicate()


async def test_the_job_of_a_killed_worker_is_taken_up_after_its_lock(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    """Killed twice: BullMQ's own default would fail the job at the second time."""
    await queue.add_sends(["a", "b"])
    for _ in range(2):
        await kill_a_worker_in_mid_job(valkey)
    killed = time.monotonic()

    start_worker(valkey, recorder, lock_seconds=LOCK_SECONDS, check_seconds=0.2)
    await eventually(lambda: recorder.ended == 1)

    assert recorder.sends == [["a", "b"]]
    assert time.monotonic() - killed < LOCK_SECONDS + 4
    assert sum((await queue.counts()).values()) == 0
    assert MAX_STALLED_COUNT >= 5
