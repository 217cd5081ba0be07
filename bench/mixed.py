"""`python -m bench mixed`: customers' messages and the statuses of their replies, at a steady pace.

One message to three statuses, as Meta's load is for a platform that answers. An open loop: what is
sent does not wait for what is answered, so a slow answer shows as a slow answer. Each webhook
carries one item.
"""

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psutil
from bson import ObjectId
from pymongo import AsyncMongoClient

from bench.load import CUSTOMERS, phone_number_id, webhook
from bench.system import System
from manyline.meta.signature import sign

ITEMS_PER_SECOND = 1000
STATUSES = ("sent", "delivered", "read")
TENANTS = 100
TICK_SECONDS = 0.01
WARM_UP_SECONDS = 5.0


@dataclass
class Mixed:
    """What came of it; times in seconds."""

    seconds: float
    messages: list[float] = field(default_factory=list)
    statuses: list[float] = field(default_factory=list)
    refused: int = 0
    cpu: dict[str, float] = field(default_factory=dict)
    """Seconds of CPU by process."""

    def told(self) -> str:
        """The figures, for a person."""
        lines = []
        for name, taken in (("messages", self.messages), ("statuses", self.statuses)):
            times = sorted(taken)
            slow = sum(one > 1 for one in times) / len(times)
            lines.append(
                f"{name}: {len(times) / self.seconds:,.0f} a second, median"
                f" {_at(times, 0.5):.1f} ms, p99 {_at(times, 0.99):.1f} ms, most"
                f" {times[-1] * 1000:.0f} ms, over 1 s {slow:.2%}"
            )
        items = len(self.messages) + len(self.statuses)
        spent = ", ".join(f"{role} {1e6 * used / items:.0f}" for role, used in self.cpu.items())
        return "\n".join([*lines, f"refused: {self.refused}", f"CPU µs an item: {spent}"])


async def measure(system: System, seconds: float) -> Mixed:
    """Run the load for so long, after a warm-up."""
    system.start(tenants=TENANTS)
    try:
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            AsyncMongoClient[dict[str, Any]](system.mongo_uri) as mongo,
        ):
            load = _Load(system, session, mongo)
            await load.run(WARM_UP_SECONDS)
            return await load.run(seconds)
    finally:
        system.stop()


class _Load:
    def __init__(
        self, system: System, session: aiohttp.ClientSession, mongo: AsyncMongoClient[Any]
    ) -> None:
        self._system = system
        self._session = session
        self._messages = mongo.get_default_database()["messages"]
        self._draw = random.Random(1)
        self._said = 0
        self._last_id = ObjectId(bytes(12))
        self._due: deque[bytes] = deque()
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, seconds: float) -> Mixed:
        found = Mixed(seconds)
        before = _cpu(self._system.pids)
        replies = asyncio.create_task(self._follow_replies())
        started, ticks = time.monotonic(), 0
        per_tick = round(ITEMS_PER_SECOND * TICK_SECONDS)
        while time.monotonic() - started < seconds:
            for place in range(per_tick):
                # A quarter are messages; where a status is missing yet, none is made up.
                if (ticks * per_tick + place) % 4 == 0:
                    self._post(self._message(), found.messages, found)
                elif self._due:
                    self._post(self._due.popleft(), found.statuses, found)
            ticks += 1
            await asyncio.sleep(max(0.0, started + ticks * TICK_SECONDS - time.monotonic()))
        replies.cancel()
        await asyncio.gather(*self._under_way)
        after = _cpu(self._system.pids)
        found.cpu = {role: after[role] - before[role] for role in after}
        return found

    def _post(self, body: bytes, times: list[float], found: Mixed) -> None:
        task = asyncio.create_task(self._see_through(body, times, found))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _see_through(self, body: bytes, times: list[float], found: Mixed) -> None:
        signature = sign(body, self._system.app_secret)
        started = time.perf_counter()
        async with self._session.post(
            self._system.webhook_url, data=body, headers={"X-Hub-Signature-256": signature}
        ) as answer:
            await answer.read()
        times.append(time.perf_counter() - started)
        found.refused += answer.status != 200

    def _message(self) -> bytes:
        self._said += 1
        customer = self._draw.randrange(CUSTOMERS)
        number = phone_number_id(customer % TENANTS)
        return webhook(self._said, customer, number, str(int(time.time()))).encode()

    async def _follow_replies(self) -> None:
        """Meta's three statuses for each reply that it took."""
        while True:
            query = {"_id": {"$gt": self._last_id}, "direction": "OUT", "status": "sent"}
            fields = {"phoneNumberId": True, "waMessageId": True, "to": True}
            async for one in self._messages.find(query, fields).sort("_id", 1).limit(2000):
                self._last_id = one["_id"]
                self._due.extend(_status(one, name) for name in STATUSES)
            await asyncio.sleep(0.25)


def _status(message: Mapping[str, Any], name: str) -> bytes:
    status = {
        "id": message["waMessageId"],
        "status": name,
        "timestamp": str(int(time.time())),
        "recipient_id": message["to"].removeprefix("+"),
        "biz_opaque_callback_data": str(message["_id"]),
    }
    metadata = {"display_phone_number": "1", "phone_number_id": message["phoneNumberId"]}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": [status]}
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def _cpu(pids: Mapping[str, int]) -> dict[str, float]:
    times = {role: psutil.Process(pid).cpu_times() for role, pid in pids.items()}
    return {role: one.user + one.system for role, one in times.items()}


def _at(times: list[float], share: float) -> float:
    """Milliseconds at this share of sorted times."""
    return times[min(len(times) - 1, int(share * len(times)))] * 1000
