"""What lies in Redis, and what one job costs: any BullMQ worker can take it, none is kept."""

import asyncio
import json
import statistics
import time
from typing import Any

from bullmq import Queue
from hiredis import Reader

from manyline.infra.redis import open_patient_redis, open_quick_redis

PREFIX = "bull:whatsapp-send-queue:"


def stored_jobs(valkey: Any) -> dict[str, dict[str, str]]:
    """Every job hash of the queue by its id."""
    ids = valkey.console.lrange(PREFIX + "wait", 0, -1) + valkey.console.zrange(
        PREFIX + "delayed", 0, -1
    )
    return {job_id: valkey.console.hgetall(PREFIX + job_id) for job_id in reversed(ids)}


async def test_jobs_are_what_a_node_worker_reads(valkey: Any, queue: Any) -> None:
    await queue.add_sends([f"m{number}" for number in range(60)])
    await queue.add_sends(["alone"])
    await queue.add_drains(["111"])
    await queue.add_drains(["222"], delay_seconds=30)

    jobs = stored_jobs(valkey)

    data = [(job["name"], json.loads(job["data"])) for job in jobs.values()]
    assert ("send", {"messageIds": ["alone"]}) in data
    assert ("drain", {"phoneNumberId": "111"}) in data
    assert ("drain", {"phoneNumberId": "222"}) in data
    assert [len(d["messageIds"]) for name, d in data if name == "send"] == [50, 10, 1]
    for job_id, job in jobs.items():
        options = json.loads(job["opts"])
        assert ":" not in job_id
        assert not job_id.isdecimal()
        assert options["attempts"] == 5
        assert job["priority"] == "0"
        assert options.get("priority", 0) == 0
    assert valkey.console.zcard(PREFIX + "prioritized") == 0


async def test_a_completed_job_leaves_nothing(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    start_worker(valkey, recorder)
    await queue.add_sends(["a"])
    await queue.add_drains(["111"])
    await eventually(lambda: recorder.ended == 2)
    await eventually(lambda: not valkey.console.llen(PREFIX + "active"))

    left = set(valkey.console.scan_iter(PREFIX + "*"))

    bookkeeping = ("meta", "id", "events", "marker", "stalled", "stalled-check")
    assert left <= {PREFIX + name for name in bookkeeping}
    assert recorder.sends == [["a"]]
    assert recorder.drains == ["111"]


async def test_what_is_not_understood_is_completed_and_never_comes_back(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    client = open_quick_redis(valkey.address)
    foreign = Queue("whatsapp-send-queue", {"connection": client})
    for name, data in (("resend", {"messageIds": ["a"]}), ("send", [1]), ("drain", None)):
        await foreign.add(name, data, {"attempts": 5})
    await foreign.close()

    start_worker(valkey, recorder)
    await queue.add_sends(["good"])
    await eventually(lambda: recorder.sends)

    assert recorder.sends == [["good"]]
    assert recorder.drains == []
    await eventually(lambda: not valkey.console.llen(PREFIX + "active"))
    counts = await queue.counts()
    assert counts == {"waiting": 0, "active": 0, "delayed": 0, "failed": 0}


async def test_a_value_that_no_one_could_serialise_does_not_run_the_job_again(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    async def answer(_ids: list[str]) -> object:
        return object()

    recorder.on_send = answer
    start_worker(valkey, recorder)
    await queue.add_sends(["a"])
    await eventually(lambda: recorder.ended == 1)
    await eventually(lambda: not valkey.console.llen(PREFIX + "active"))

    assert recorder.sends == [["a"]]
    assert sum((await queue.counts()).values()) == 0


async def test_a_lone_job_reaches_an_idle_worker_at_once_and_asks_redis_little(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    start_worker(valkey, recorder, concurrency=16)
    await queue.add_sends(["warm"])
    await eventually(lambda: recorder.ended == 1)
    valkey.console.config_resetstat()

    waits = []
    for number in range(20):
        added = time.monotonic()
        await queue.add_sends([str(number)])
        await eventually(lambda number=number: recorder.ended == number + 2)
        waits.append(recorder.times[-1] - added)
    await eventually(lambda: not valkey.console.llen(PREFIX + "active"))

    scripts = valkey.console.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert statistics.median(waits) < 0.1
    # Add, take, find nothing (twice), complete. BullMQ's own loop would ask 16 times and more.
    assert scripts / 20 <= 6


async def test_jobs_run_side_by_side_up_to_the_concurrency(
    valkey: Any, queue: Any, recorder: Any, start_worker: Any, eventually: Any
) -> None:
    gate = asyncio.Event()
    recorder.on_send = lambda _ids: gate.wait()
    shell, _ = start_worker(valkey, recorder, concurrency=3)
    for number in range(5):
        await queue.add_sends([str(number)])

    await eventually(lambda: shell.active == 3)
    assert (await queue.counts())["waiting"] == 2
    gate.set()
    await eventually(lambda: recorder.ended == 5)

    assert recorder.sends == [["0"], ["1"], ["2"], ["3"], ["4"]]


async def test_counts_and_ping(valkey: Any, queue: Any) -> None:
    await queue.ping()
    await queue.add_sends(["a"])
    await queue.add_drains(["111"], delay_seconds=60)

    assert await queue.counts() == {"waiting": 1, "active": 0, "delayed": 1, "failed": 0}


async def test_replies_are_parsed_by_hiredis(valkey: Any) -> None:
    for open_redis in (open_quick_redis, open_patient_redis):
        client = open_redis(valkey.address)
        connection = await client.connection_pool.get_connection()
        assert isinstance(connection._parser._reader, Reader)
        await client.connection_pool.release(connection)
        await client.aclose()
