"""Calls and the clock: past its lease a worker does not POST, past its expiry nobody does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from bson import ObjectId
from prometheus_client import CollectorRegistry

from manyline.customers.alias_notes import AliasNotes
from manyline.messages.documents import outbound_document
from manyline.messages.models import NewOutbound
from manyline.messages.repository import MessageRepository
from manyline.meta.graph import Credentials, GraphClient
from manyline.meta.payloads import text_content
from manyline.observability.metrics import SendingMetrics
from manyline.sending.breakers import FAILURES_TO_OPEN, Breakers
from manyline.sending.calls import Calls
from manyline.sending.consequences import Consequences
from manyline.sending.flight import Flight
from manyline.sending.judgement import CallRules
from manyline.sending.models import Claim
from manyline.sending.repository import OutboxRepository
from manyline.sending.retry import Backoff
from manyline.sending.settle import Settler

TENANT = ObjectId()
LEASE, DEADLINE, EXPIRY = timedelta(seconds=30), timedelta(seconds=15), timedelta(hours=24)


class Woken:
    """The queue's side: what would be woken, and when."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.numbers: list[tuple[str, float]] = []

    def wake(self, messages: Any) -> None:
        self.messages += [message_id for message_id, _ in messages]

    def wake_number(self, phone_number_id: str, *, delay_seconds: float = 0) -> None:
        self.numbers.append((phone_number_id, delay_seconds))


class Token:
    async def of(self, _tenant: Any) -> Credentials:
        return Credentials("EAAG-a-token", None)


class Scene:
    """A worker's calls on a real store and a real simulator, with a clock to move."""

    def __init__(self, mongo: Any, clock: Any, graph: GraphClient) -> None:
        self.clock, self.woken = clock, Woken()
        self.messages = MessageRepository(mongo.database)
        self.outbox = OutboxRepository(mongo.database)
        self.flight = Flight(capacity=100, on_room=lambda _: None)
        metrics = SendingMetrics(CollectorRegistry())
        wakes: Any = self.woken
        self.settler = Settler(outbox=self.outbox, wakes=wakes, clock=clock, metrics=metrics)
        tokens: Any = Token()
        no_other: Any = None
        self.breakers = Breakers()
        self.calls = Calls(
            graph=graph,
            tokens=tokens,
            settler=self.settler,
            flight=self.flight,
            breakers=self.breakers,
            buckets=no_other,
            consequences=Consequences(tenants=no_other, directory=no_other, customers=no_other),
            aliases=AliasNotes(no_other),
            rules=CallRules(
                deadline=DEADLINE, expiry=EXPIRY, backoff=Backoff(1.0), mock_allowed=True
            ),
            clock=clock,
            metrics=metrics,
        )

    async def queued(self, **changes: Any) -> ObjectId:
        values: dict[str, Any] = {
            "id": ObjectId(),
            "tenant_id": TENANT,
            "conversation_id": ObjectId(),
            "phone_number_id": "111",
            "recipient": "+919012345678",
            "type": "text",
            "body": "hello",
            "content": text_content("hello"),
            "source": "api",
            "idempotency_key": str(ObjectId()),
            "created_at": self.clock.now(),
            **changes,
        }
        message = NewOutbound(**values)
        await self.messages.insert([outbound_document(message)])
        return message.id

    async def claimed(self, message_id: ObjectId, *, owner: str = "w/1") -> Claim:
        [pending] = await self.outbox.find_queued([message_id])
        wait = pending.due_at - self.clock.now()
        self.clock.advance(seconds=max(0.0, wait.total_seconds()))
        now = self.clock.now()
        asked = Claim(message=pending, owner=owner, claimed_at=now, expires_at=now + LEASE)
        [claim] = await self.outbox.claim([asked], now=now)
        return claim

    async def launched(self, claim: Claim) -> Any:
        """The message after its call was seen through."""
        self.flight.take(claim.message.phone_number_id, 1, per_second=80)
        tenant: Any = SimpleNamespace(id=TENANT)
        self.calls.launch(claim, tenant)
        await asyncio.gather(*self.calls._under_way)
        assert self.flight.total == 0
        return await self.messages.get(TENANT, claim.message.id)


@pytest.fixture
async def scene(mongo: Any, clock: Any, simulator: Any) -> AsyncIterator[Scene]:
    graph = GraphClient(base_url=simulator.base_url, version="v26.0", deadline_seconds=2.0)
    made = Scene(mongo, clock, graph)
    await made.messages.ensure_indexes()
    yield made
    await graph.close()


async def test_in_time_it_is_sent(scene: Scene, simulator: Any) -> None:
    claim = await scene.claimed(await scene.queued())
    scene.clock.advance(seconds=(LEASE - DEADLINE).total_seconds())
    message = await scene.launched(claim)
    assert (message.status, message.attempts) == ("sent", 1)
    assert len(simulator.journal.entries) == 1


@pytest.mark.parametrize("seconds", [15.001, 29, 31, 3600])
async def test_a_worker_that_was_held_up_does_not_post(
    scene: Scene, simulator: Any, seconds: float
) -> None:
    """A POST now could outlive the lease, and somebody else may have it already."""
    claim = await scene.claimed(await scene.queued())
    scene.clock.advance(seconds=seconds)
    message = await scene.launched(claim)
    assert simulator.journal.entries == []
    assert (message.status, message.attempts) == ("queued", 0)
    assert scene.woken.numbers == [("111", 0.0)]


async def test_its_late_return_does_not_disturb_the_next_holder(
    scene: Scene, simulator: Any
) -> None:
    message_id = await scene.queued()
    old = await scene.claimed(message_id)
    await scene.outbox._messages.update_one(
        {"_id": message_id}, {"$set": {"status": "queued", "dueAt": scene.clock.now()}}
    )
    new = await scene.claimed(message_id, owner="w/2")
    scene.clock.advance(seconds=20)
    assert (await scene.launched(old)).status == "sending"
    assert simulator.journal.entries == []
    stored = await scene.outbox._messages.find_one({"_id": message_id})
    assert stored is not None
    assert stored["lease"]["owner"] == new.owner


async def test_older_than_its_expiry_it_fails_without_a_call(scene: Scene, simulator: Any) -> None:
    young, old = await scene.queued(), await scene.queued()
    scene.clock.advance(seconds=EXPIRY.total_seconds() + 1)
    message = await scene.launched(await scene.claimed(old))
    assert (message.status, message.error["title"]) == (
        "failed",
        "expired before it could be sent",
    )
    assert simulator.journal.entries == []
    assert young != old


async def test_a_follower_of_a_clock_that_is_ahead_is_woken(scene: Scene, simulator: Any) -> None:
    """The process that accepted it is 100 ms ahead; its own wake-up came while it had to wait."""
    line = ObjectId()
    first = await scene.queued(conversation_id=line)
    ahead = scene.clock.now() + timedelta(milliseconds=100)
    second = await scene.queued(conversation_id=line, created_at=ahead)
    await scene.launched(await scene.claimed(first))
    assert scene.woken.messages == [str(second)]


async def test_refusals_wait_longer_each_time(scene: Scene, simulator: Any) -> None:
    simulator.set_faults({"fault": {"kind": "error", "code": 131016}})
    message_id = await scene.queued()
    for attempt in range(1, 6):
        message = await scene.launched(await scene.claimed(message_id, owner=f"w/{attempt}"))
        assert message.attempts == attempt
        if attempt < 5:
            wait = (message.next_attempt_at - scene.clock.now()).total_seconds()
            assert 2 ** (attempt - 1) / 2 <= wait <= 2 ** (attempt - 1)
            assert scene.woken.numbers[-1] == ("111", pytest.approx(wait, abs=0.002))
            scene.clock.advance(seconds=wait)
    assert message.status == "failed"


async def test_graph_out_of_reach_costs_no_attempt_and_opens_the_hosts_breaker(
    mongo: Any, clock: Any, unused_port: int
) -> None:
    graph = GraphClient(
        base_url=f"http://127.0.0.1:{unused_port}", version="v26.0", deadline_seconds=2.0
    )
    scene = Scene(mongo, clock, graph)
    await scene.messages.ensure_indexes()
    message_id = await scene.queued()
    waits = []
    for n in range(8):
        message = await scene.launched(await scene.claimed(message_id, owner=f"w/{n}"))
        assert (message.status, message.attempts) == ("queued", 0)
        waits.append((message.next_attempt_at - clock.now()).total_seconds())
        clock.advance(seconds=waits[-1])
        assert (scene.breakers.wait("another number") > 0) == (n + 1 >= FAILURES_TO_OPEN)
    await graph.close()
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert [entry["event"] for entry in message.history] == ["refused"] * 8


async def test_a_worker_that_stops_in_mid_call_says_that_nobody_knows(
    scene: Scene, simulator: Any, eventually: Any
) -> None:
    """Queued again, what Graph has taken would be sent twice."""
    simulator.set_faults({"fault": {"kind": "hang", "point": "after_accept"}})
    claim = await scene.claimed(await scene.queued())
    scene.flight.take(claim.message.phone_number_id, 1, per_second=80)
    tenant: Any = SimpleNamespace(id=TENANT)
    scene.calls.launch(claim, tenant)
    await eventually(lambda: simulator.journal.entries)
    await scene.calls.stop(within_seconds=0.0)
    message = await scene.messages.get(TENANT, claim.message.id)
    assert (message.status, message.attempts) == ("in_doubt", 1)
