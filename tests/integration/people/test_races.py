"""Merges while others write: nothing is lost, nobody is two, and each line keeps its order."""

import asyncio
import itertools
import random
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from manyline.sending.models import Claim, Sent
from manyline.sending.repository import OutboxRepository

PROCESSES = 4


def identities(person: int) -> tuple[str, str]:
    return f"tel:+9191111{person:05}", f"bsuid:IN.{person}"


async def the_same_for_all(database: Any, tenant_id: ObjectId) -> dict[str, ObjectId]:
    """The customer of each identity; and nothing stands under anybody else."""
    holder: dict[str, ObjectId] = {}
    people: set[ObjectId] = set()
    async for customer in database.customers.find({"mergedInto": {"$exists": False}}):
        people.add(customer["_id"])
        for identity in customer["identities"]:
            assert identity not in holder
            holder[identity] = customer["_id"]
    stranded = {"tenantId": tenant_id, "conversationId": {"$nin": list(people)}}
    assert await database.messages.count_documents(stranded) == 0
    assert {each["_id"] async for each in database.conversations.find()} <= people
    return holder


@pytest.mark.parametrize("seed", range(3))
async def test_messages_and_merges_from_four_processes(
    processes: Any, database: Any, seed: int
) -> None:
    """Every process meets both names first, so that its memory of one of them grows stale."""
    crew = processes(PROCESSES)
    chance = random.Random(seed)
    for person in range(4):
        for process in crew:
            for identity in identities(person):
                await process.write(identity, text="before")
    stored: list[ObjectId] = []

    async def busy(process: Any, person: int, chance: random.Random) -> None:
        for n in range(10):
            identity = chance.choice(identities(person))
            deed = chance.choice([process.hear, process.write])
            stored.append(await deed(identity, text=f"{n}"))

    async def merge(process: Any, person: int, after: float) -> None:
        await asyncio.sleep(after)
        stored.append(await process.hear(*identities(person), text="both"))

    await asyncio.gather(
        *(
            busy(process, person, random.Random(chance.random()))
            for process in crew
            for person in range(4)
        ),
        # Two of them find it out at once.
        *(
            merge(process, person, chance.uniform(0.0, 0.15))
            for process in crew[:2]
            for person in range(4)
        ),
    )
    holder = await the_same_for_all(database, crew[0].tenant_id)
    assert len(set(holder.values())) == 4
    for person in range(4):
        number, user_id = identities(person)
        assert holder[number] == holder[user_id]
    known = {each["_id"] async for each in database.messages.find({}, {"_id": True})}
    assert set(stored) <= known


async def test_first_contact_under_every_name_at_once(processes: Any, database: Any) -> None:
    crew = processes(PROCESSES)
    for person in range(12):
        number, user_id = identities(person)
        await asyncio.gather(
            crew[0].hear(number),
            crew[1].hear(user_id),
            crew[2].hear(number, user_id),
            crew[3].write(number),
            crew[0].told(
                crew[0].clock.now(), old_user_id=f"IN.{person}", new_user_id=f"US.{person}"
            ),
        )
    holder = await the_same_for_all(database, crew[0].tenant_id)
    assert len(set(holder.values())) == 12
    assert len(holder) == 36
    assert await database.conversations.count_documents({}) == 12
    for customer_id in set(holder.values()):
        assert len(await crew[0].said(customer_id)) == 4


async def test_many_names_become_one_in_any_order(processes: Any, database: Any) -> None:
    """Eight customers, and every pair of them found to be one at the same moment."""
    crew = processes(PROCESSES)
    names = [f"bsuid:IN.{n}" for n in range(8)]
    for name in names:
        await crew[0].hear(name)
    pairs = list(itertools.pairwise(names))
    random.Random(5).shuffle(pairs)
    await asyncio.gather(
        *(crew[n % PROCESSES].hear(one, other) for n, (one, other) in enumerate(pairs))
    )
    holder = await the_same_for_all(database, crew[0].tenant_id)
    assert len(set(holder.values())) == 1
    assert len(await crew[0].said(holder[names[0]])) == 8 + len(pairs)


class Sender:
    """Sends as a worker does, in steps that others may come between: due, heads, claim, sent."""

    def __init__(self, database: Any, tenant_id: ObjectId, clock: Any, name: str) -> None:
        self._outbox = OutboxRepository(database)
        self._tenant_id = tenant_id
        self._clock = clock
        self._name = name
        self._claims = 0

    async def round(self, posted: list[tuple[str, ObjectId]], chance: random.Random) -> None:
        now = self._clock.now() + timedelta(minutes=5)
        due = await self._outbox.due(self._tenant_id, now=now, limit=200)
        heads = await self._outbox.heads([one.conversation_id for one in due])
        first = [one for one in due if heads.get(one.conversation_id) == one.id][:5]
        if not first:
            return
        self._claims += 1
        expires_at = now + timedelta(hours=1)
        owner = f"{self._name}/{self._claims}"
        won = await self._outbox.claim(
            [Claim(one, owner, now, expires_at) for one in first], now=now
        )
        posted.extend((claim.message.recipient, claim.message.id) for claim in won)
        await asyncio.sleep(chance.uniform(0, 0.004))
        await self._outbox.settle([Sent(one, f"wamid.{one.message.id}", now) for one in won])


@pytest.mark.parametrize("seed", range(4))
async def test_each_recipient_is_sent_to_in_the_order_of_acceptance(
    processes: Any, database: Any, mongo: Any, seed: int
) -> None:
    """B after A when B was asked for after A was answered, whichever processes took them."""
    crew = processes(PROCESSES)
    people = range(3)
    for process in crew:
        for person in people:
            for identity in identities(person):
                await process.write(identity, text="before")
    asked: dict[str, list[ObjectId]] = defaultdict(list)
    posted: list[tuple[str, ObjectId]] = []
    done = asyncio.Event()

    async def ask(identity: str, chance: random.Random) -> None:
        recipient = identity.partition(":")[2]
        for n in range(25):
            asked[recipient].append(await chance.choice(crew).write(identity, text=f"{n}"))

    async def send(name: str) -> None:
        sender = Sender(mongo.database, crew[0].tenant_id, crew[0].clock, name)
        chance = random.Random(name)
        while not done.is_set():
            await sender.round(posted, chance)

    async def merge(person: int, after: float) -> None:
        await asyncio.sleep(after)
        await crew[person % 2].hear(*identities(person))

    chance = random.Random(seed)
    senders = [asyncio.create_task(send(f"sender {seed}.{n}")) for n in range(2)]
    await asyncio.gather(
        *(ask(one, random.Random(f"{seed}{one}")) for who in people for one in identities(who)),
        *(merge(person, chance.uniform(0.05, 0.25)) for person in people),
    )
    async with asyncio.timeout(20):
        while await database.messages.count_documents({"status": "queued"}):
            await asyncio.sleep(0.02)
    done.set()
    await asyncio.gather(*senders)
    holder = await the_same_for_all(database, crew[0].tenant_id)
    assert len(set(holder.values())) == len(people)
    for recipient, in_order in asked.items():
        wanted = set(in_order)
        went = [one for to, one in posted if to == recipient and one in wanted]
        assert went == in_order
