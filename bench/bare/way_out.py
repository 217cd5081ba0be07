"""The bare way out: `python -m bench.bare.way_out URI HOST PORT`, until SIGTERM.

Each job's messages are claimed in one update and settled in one, as if Graph had answered all of
them at once.
"""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import uvloop
from bson import ObjectId

from manyline.base.memory import settle_memory
from manyline.entry.worker.process import NICENESS
from manyline.infra.mongo import open_mongo
from manyline.infra.redis import RedisServer
from manyline.messages.models import Pending
from manyline.messages.states import MessageStatus
from manyline.queue.worker import WorkerShell
from manyline.sending.models import Claim, Sent
from manyline.sending.repository import OutboxRepository

LEASE = timedelta(seconds=30)
ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)
ANYONES = Pending(
    id=ObjectId(),
    tenant_id=ObjectId(),
    conversation_id=ObjectId(),
    phone_number_id="",
    recipient="",
    content={},
    status=MessageStatus.QUEUED,
    attempts=0,
    due_at=ANY_DAY,
    created_at=ANY_DAY,
)
"""Claiming and settling write by ids alone; all else of a message is not looked at."""


class WayOut:
    """Handles the queue's jobs; see `queue.processor.JobHandlers`."""

    def __init__(self, outbox: OutboxRepository) -> None:
        self._outbox = outbox

    async def send(self, message_ids: list[str]) -> None:
        """Claim and settle these messages."""
        now, owner = datetime.now(UTC), f"bare/{uuid4().hex}"
        claims = [
            Claim(
                message=replace(ANYONES, id=ObjectId(message_id)),
                owner=owner,
                claimed_at=now,
                expires_at=now + LEASE,
            )
            for message_id in message_ids
        ]
        won = await self._outbox.claim(claims, now=now)
        at = datetime.now(UTC)
        await self._outbox.settle(
            [Sent(claim, wamid=f"wamid.{uuid4().hex}", at=at) for claim in won]
        )

    async def drain(self, phone_number_id: str) -> float | None:  # noqa: ARG002 - never asked for
        """There are no backlogs here."""
        return None


async def _main(uri: str, redis: RedisServer) -> None:
    mongo = open_mongo(uri, app_name="bare limit, way out")
    shell = WorkerShell(redis=redis, handlers=WayOut(OutboxRepository(mongo.database)))
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    settle_memory()
    jobs = asyncio.create_task(shell.run())
    await asyncio.wait({jobs, asyncio.create_task(stopping.wait())}, return_when="FIRST_COMPLETED")
    if not jobs.done():
        await shell.stop(within_seconds=3.0)
    await jobs
    await mongo.close()


if __name__ == "__main__":
    _, _uri, _host, _port = sys.argv
    os.nice(NICENESS)
    uvloop.run(_main(_uri, RedisServer(host=_host, port=int(_port))))
