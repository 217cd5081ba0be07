"""The queue itself: jobs that make no sense, and wake-ups that come many times over."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bullmq import Queue

from manyline.queue.jobs import QUEUE_NAME
from tests.faults.row import row
from tests.faults.stage import Stage

KEY = f"bull:{QUEUE_NAME}"
TIMES = 12
TIMES_OVER = 5
POISON: tuple[tuple[str, Any], ...] = (
    ("send", {"messageIds": ["not an id", "0" * 24, "\x00"]}),
    ("send", {"messageIds": "one"}),
    ("send", {"messageIds": [1, None]}),
    ("send", {"messageIds": ["f" * 24] * 5000}),
    ("send", {}),
    ("drain", {"phoneNumberId": "nobody's"}),
    ("drain", {"phoneNumberId": 5}),
    ("drain", None),
    ("unheard-of", {"a": 1}),
)
"""By name and data. What is not JSON at all is put in by hand, past BullMQ."""
NOT_JSON = "{half a jo"
UNREADABLE = ("broken-", "absent-")
"""What the ids of those begin with."""


@row(
    done="jobs that nobody understands, among the others, a dozen times: unknown names, wrong data,"
    " ids of nothing, data that is no JSON, an id without a job",
    holds="both workers live and take all others; the queue holds nothing else at the end",
    short=True,
)
async def poison_jobs(stage: Stage) -> str:
    async with _queue(stage) as queue, stage.load() as load:
        for place in range(TIMES):
            await load.took(10)
            for name, data in POISON:
                await queue.add(name, data, {"removeOnComplete": True})
            await _by_hand(stage, place)
        await load.took(30)
    left = await _left(stage)
    return f"{TIMES * (len(POISON) + 2)} poison jobs; {left} unreadable ones wait for another try"


@row(
    done="every wake-up comes five times over, all copies at once, with drains of every number"
    " beside them",
    holds="only who wins the claim POSTs",
    short=True,
)
async def doubled_wakes(stage: Stage) -> str:
    enough = asyncio.Event()
    async with _queue(stage) as queue, stage.load() as load, asyncio.TaskGroup() as group:
        copying = group.create_task(_copy_wakes(stage, queue, enough))
        try:
            await load.took(150)
        finally:
            enough.set()
    return f"{copying.result()} jobs besides the usual ones"


async def _copy_wakes(stage: Stage, queue: Any, enough: asyncio.Event) -> int:
    """Wake everything that waits, again and again, a few times at once; how many jobs that made.

    Ended by an event: BullMQ does not pass a cancellation on.
    """
    made = 0
    async with stage.mongo() as client:
        messages = client.get_default_database()["messages"]
        while not enough.is_set():
            waiting = messages.find({"status": "queued"}, {"phoneNumberId": True}).limit(50)
            found = [(str(one["_id"]), one["phoneNumberId"]) async for one in waiting]
            if found:
                ids = [message_id for message_id, _ in found]
                jobs = [_job("send", {"messageIds": ids})] * TIMES_OVER
                jobs += [_job("drain", {"phoneNumberId": n}) for n in {n for _, n in found}]
                await queue.addBulk(jobs)
                made += len(jobs)
            await asyncio.sleep(0.005)
    return made


def _job(name: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "data": data, "opts": {"removeOnComplete": True}}


async def _by_hand(stage: Stage, place: int) -> None:
    """A job whose data is no JSON, and an id in the list that has no job behind it."""
    async with stage.valkey.client() as redis:
        known: dict[Any, Any] = {
            "name": "send",
            "data": NOT_JSON,
            "opts": json.dumps({}),
            "timestamp": 0,
        }
        await redis.hset(f"{KEY}:broken-{place}", mapping=known)
        await redis.lpush(f"{KEY}:wait", f"broken-{place}", f"absent-{place}")


async def _left(stage: Stage, *, seconds: float = 20.0) -> int:
    """How many unreadable jobs the queue holds, once it holds nothing else; each is tried again
    when its lock has ended, ten times in all."""
    deadline = time.monotonic() + seconds
    async with stage.valkey.client() as redis:
        while True:
            ids: list[Any] = [*await redis.lrange(f"{KEY}:wait", 0, -1)]
            ids += await redis.lrange(f"{KEY}:active", 0, -1)
            names = [bytes(one).decode() for one in ids]
            readable = [name for name in names if not name.startswith(UNREADABLE)]
            if not readable:
                return len(names)
            assert time.monotonic() < deadline, f"{len(readable)} jobs stay in the queue"
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _queue(stage: Stage) -> AsyncIterator[Any]:
    queue = Queue(QUEUE_NAME, {"connection": {"host": "127.0.0.1", "port": stage.valkey.port}})
    try:
        yield queue
    finally:
        await queue.close()
