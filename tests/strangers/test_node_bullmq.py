"""BullMQ's own implementation, that of Node, on the same queue: it takes ours, and we take its."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from redis import Redis

from manyline.infra.redis import RedisServer
from manyline.queue.jobs import QUEUE_NAME
from manyline.queue.producer import WakeQueue
from manyline.queue.worker import WorkerShell

DEADLINE = 20.0
EMPTY = {"waiting": 0, "active": 0, "delayed": 0, "failed": 0}

RunNode = Callable[..., Awaitable[Any]]


async def test_a_node_worker_takes_and_completes_our_job(
    redis_server: RedisServer, redis: Redis, run_node: RunNode
) -> None:
    ids = ["656f00000000000000000001", "656f00000000000000000002"]
    queue = WakeQueue(redis=redis_server)
    try:
        await queue.add_sends(ids)
        [attempt] = await run_node("take-job.mjs")
        assert (attempt["name"], attempt["data"]) == ("send", {"messageIds": ids})
        assert attempt["id"].startswith("send-")
        assert await queue.counts() == EMPTY
        assert not redis.exists(f"bull:{QUEUE_NAME}:{attempt['id']}")
    finally:
        await queue.close()


async def test_a_node_worker_repeats_our_job_as_we_asked(
    redis_server: RedisServer, run_node: RunNode
) -> None:
    queue = WakeQueue(redis=redis_server)
    try:
        await queue.add_drains(["111111111111111"])
        first, second = await run_node("take-job.mjs", "fail-first")
        assert first["id"] == second["id"]
        assert [first["attemptsMade"], second["attemptsMade"]] == [0, 1]
        assert second["data"] == {"phoneNumberId": "111111111111111"}
        assert first["options"]["attempts"] == 5
        assert first["options"]["backoff"] == {"type": "exponential", "delay": 1000}
        assert await queue.counts() == EMPTY
    finally:
        await queue.close()


class Recorder:
    """Handlers that note what they were called with."""

    def __init__(self) -> None:
        self.called = asyncio.Event()
        self.sends: list[list[str]] = []

    async def send(self, message_ids: list[str]) -> None:
        self.sends.append(message_ids)
        self.called.set()

    async def drain(self, phone_number_id: str) -> float | None:
        raise AssertionError(phone_number_id)


async def test_our_worker_takes_a_job_that_node_queued(
    redis_server: RedisServer, run_node: RunNode
) -> None:
    recorder = Recorder()
    shell = WorkerShell(redis=redis_server, handlers=recorder)
    running = asyncio.create_task(shell.run())
    try:
        await run_node("add-job.mjs", "send", '{"messageIds": ["656f00000000000000000003"]}')
        async with asyncio.timeout(DEADLINE):
            await recorder.called.wait()
    finally:
        await shell.stop(within_seconds=2.0)
        await running
    assert recorder.sends == [["656f00000000000000000003"]]
