"""Processes over one store: each with a memory of its own, storing as a flush does."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from bson import ObjectId

from manyline.conversations.models import Turn
from manyline.conversations.repository import ConversationRepository
from manyline.customers.models import Sighting, moved
from manyline.customers.repository import CustomerRepository
from manyline.customers.service import CustomerService, People
from manyline.infra.documents import encode_document
from manyline.infra.mongo import open_mongo
from manyline.infra.one_wait import OneWait, Terms
from manyline.messages.documents import inbound_document, outbound_document
from manyline.messages.merging import CustomerMerges
from manyline.messages.models import NewInbound, NewOutbound
from manyline.messages.repository import MessageRepository
from manyline.meta.payloads import text_content


class Process:
    """What the API's flushes do with people and messages, without the HTTP around it."""

    def __init__(self, database: Any, clock: Any, tenant_id: ObjectId, one_wait: OneWait) -> None:
        self.tenant_id = tenant_id
        self.one_wait = one_wait
        self.clock = clock
        self.repository = CustomerRepository(database)
        self.merges = CustomerMerges(database, clock=clock)
        self.customers = CustomerService(
            repository=self.repository, merges=self.merges, clock=clock
        )
        self.conversations = ConversationRepository(database)
        self.messages = MessageRepository(database)

    async def hear(self, identity: str, *also: str, text: str = "hi", **more: Any) -> ObjectId:
        """The customer writes; answers the message's id."""
        at: datetime = more.pop("at", self.clock.now())
        sighting = Sighting(
            tenant_id=self.tenant_id, identity=identity, also=also, seen_at=at, **more
        )
        async with self.one_wait.flush():
            people = await self.customers.resolve([sighting])
            customer_id = people.ids[self.tenant_id, identity]
            message = NewInbound(
                id=ObjectId(),
                tenant_id=self.tenant_id,
                conversation_id=customer_id,
                phone_number_id="111",
                wamid=f"wamid.{ObjectId()}",
                sender=None,
                type="text",
                body=text,
                content=encode_document(text_content(text)),
                sent_at=at,
                created_at=self.clock.now(),
            )
            turn = Turn(self.tenant_id, customer_id, at, text, inbound=True)
            await self._store(inbound_document(message), people, turn)
        return message.id

    async def write(self, identity: str, *, text: str = "hello") -> ObjectId:
        """The tenant writes to them; answers the message's id."""
        async with self.one_wait.flush():
            people = await self.customers.resolve([Sighting(self.tenant_id, identity)])
            customer_id = people.ids[self.tenant_id, identity]
            message = NewOutbound(
                id=ObjectId(),
                tenant_id=self.tenant_id,
                conversation_id=customer_id,
                phone_number_id="111",
                recipient=identity.partition(":")[2],
                type="text",
                body=text,
                content=text_content(text),
                source="api",
                idempotency_key=f"key {ObjectId()}",
                created_at=self.clock.now(),
            )
            turn = Turn(self.tenant_id, customer_id, message.created_at, text, inbound=False)
            await self._store(outbound_document(message), people, turn)
        return message.id

    async def _store(self, document: Any, people: People, turn: Turn) -> None:
        [outcome] = await self.messages.insert([document])
        assert outcome.new
        await self.customers.see(people)
        made = await self.conversations.record([turn], first_met=people.first_met)
        await self.customers.reunite(made)

    async def told(self, at: datetime, **changes: str) -> None:
        """Meta tells of a new number or user id."""
        fields = ("old_phone", "new_phone", "old_user_id", "new_user_id")
        one = moved(self.tenant_id, **{field: changes.get(field) for field in fields}, at=at)
        assert one is not None
        await self.customers.changed([one])

    async def customer(self, identity: str) -> ObjectId:
        found = await self.repository.find([(self.tenant_id, identity)])
        return found[self.tenant_id, identity].id

    async def said(self, conversation_id: ObjectId) -> list[str]:
        """What a reader of the conversation sees, oldest first."""
        conversation = await self.conversations.get(self.tenant_id, conversation_id)
        texts: list[str] = []
        cursor: str | None = None
        while True:
            page = await self.messages.list_page(
                self.tenant_id, limit=100, cursor=cursor, conversation_id=conversation.id
            )
            texts += [one.body for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return texts[::-1]


class RunningClock:
    """Ahead by a millisecond each time it is asked, so that no two times are the same."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def now(self) -> datetime:
        self._clock.advance(milliseconds=1)
        now: datetime = self._clock.now()
        return now

    def advance(self, **by: float) -> None:
        self._clock.advance(**by)


Processes = Callable[[int], Sequence[Process]]


@pytest.fixture
def hours(clock: Any) -> RunningClock:
    return RunningClock(clock)


@pytest.fixture
async def processes(mongo_uri: str, hours: RunningClock) -> AsyncIterator[Processes]:
    """So many processes of one tenant."""
    terms = Terms()
    mongo = open_mongo(mongo_uri, app_name="test", watch=terms)
    database, tenant_id = mongo.database, ObjectId()
    for repository in (CustomerRepository, ConversationRepository, MessageRepository):
        await repository(database).ensure_indexes()
    # Any write tells the term, and what comes after it waits once for each message.
    await database["leases"].delete_one({"_id": "nobody"})
    one_wait = OneWait(database, terms)
    yield lambda count: [Process(database, hours, tenant_id, one_wait) for _ in range(count)]
    await mongo.close()


@pytest.fixture
def process(processes: Processes) -> Process:
    [one] = processes(1)
    return one
