"""The bare way in: `python -m bench.bare.way_in URI HOST PORT TENANTS SECONDS BATCH`.

Prints one JSON object at its end.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

import uvloop
from prometheus_client import CollectorRegistry

from bench.bare.flushes import Flush, Flushes
from manyline.base.clock import StoreClock
from manyline.base.memory import settle_memory
from manyline.conversations.repository import ConversationRepository
from manyline.customers.repository import COLLECTION as CUSTOMERS
from manyline.customers.repository import CustomerRepository
from manyline.inbound.commit import FLUSHES
from manyline.inbound.ledger.keeping import Ledger
from manyline.inbound.ledger.repository import LedgerRepository
from manyline.infra.mongo import Database, open_mongo
from manyline.infra.one_wait import OneWait, Terms, writing
from manyline.infra.redis import RedisServer
from manyline.messages.repository import MessageRepository
from manyline.observability.metrics import InboundMetrics
from manyline.queue.producer import WakeQueue
from manyline.queue.waker import Waker

MOST_PER_SECOND = 6000
"""More than this a second are not prepared; then it ends early."""
STOP_SECONDS = 30.0


class WayIn:
    """Writes flushes, one after the other."""

    def __init__(self, database: Database, terms: Terms, queue: WakeQueue) -> None:
        self._database = database
        self._one_wait = OneWait(database, terms)
        self._customers = CustomerRepository(database)
        self._messages = MessageRepository(database)
        self._conversations = ConversationRepository(database)
        self._records = LedgerRepository(database)
        self._ledger = Ledger(
            records=self._records,
            clock=StoreClock(),
            metrics=InboundMetrics(CollectorRegistry()),
            kept_for=timedelta(days=14),
        )
        self._waker = Waker(queue)

    async def open(self) -> None:
        """Make the indexes."""
        for one in (self._customers, self._messages, self._conversations, self._records):
            await one.ensure_indexes()

    async def write(self, flushes: Iterator[Flush], *, seconds: float) -> int:
        """Write until the time is over; answers how many customers' messages are durable."""
        ends = time.perf_counter() + seconds
        written = await asyncio.gather(*(self._write_on(flushes, ends) for _ in range(FLUSHES)))
        return sum(written)

    async def close(self) -> None:
        """Write what waits beside the flushes."""
        await self._ledger.drained()
        await self._waker.stop(within_seconds=STOP_SECONDS)

    async def _write_on(self, flushes: Iterator[Flush], ends: float) -> int:
        """One of as many as ours has under way beside one another."""
        written = 0
        for flush in flushes:
            await self._write(flush)
            written += len(flush.replies)
            if time.perf_counter() >= ends:
                break
        return written

    async def _write(self, flush: Flush) -> None:
        """In the order of `inbound.commit`."""
        async with self._one_wait.flush():
            if flush.customers:
                customers = writing(self._database[CUSTOMERS])
                await customers.insert_many(flush.customers, ordered=False)
            await asyncio.gather(
                self._messages.insert(flush.messages), self._customers.see(flush.seen)
            )
            await self._conversations.record(flush.turns, first_met=flush.first_met)
        self._waker.wake_messages(flush.replies)
        for arrival in flush.arrivals:
            await self._ledger.keep(arrival)


async def _main(uri: str, redis: RedisServer, tenants: int, seconds: float, batch: int) -> None:
    terms = Terms()
    mongo = open_mongo(uri, app_name="bare limit, way in", watch=terms)
    queue = WakeQueue(redis=redis)
    way_in = WayIn(mongo.database, terms, queue)
    await way_in.open()
    flushes = list(Flushes(tenants=tenants).make(int(MOST_PER_SECOND * seconds), each=batch))
    settle_memory()
    first_at, started, cpu = time.time(), time.perf_counter(), time.process_time()
    written = await way_in.write(iter(flushes), seconds=seconds)
    took = time.perf_counter() - started
    await way_in.close()
    found = {
        "first_at": first_at,
        "seconds": took,
        "written": written,
        "cpu_seconds": time.process_time() - cpu,
    }
    print(json.dumps(found), flush=True)
    await queue.close()
    await mongo.close()


if __name__ == "__main__":
    _, _uri, _host, _port, _tenants, _seconds, _batch = sys.argv
    _redis = RedisServer(host=_host, port=int(_port))
    uvloop.run(_main(_uri, _redis, int(_tenants), float(_seconds), int(_batch)))
