"""A flush waits for the majority once, and promises nothing when the primary changed meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from manyline.base.errors import StoreUnavailableError
from manyline.customers.models import Sighting
from manyline.customers.repository import CustomerRepository
from manyline.customers.service import CustomerService
from manyline.infra.embedded import EmbeddedServers
from manyline.infra.mongo import Mongo, open_mongo
from manyline.infra.one_wait import OneWait, Terms, term_of_flush, writing
from manyline.infra.transactions import Session, atomically
from manyline.messages.merging import CustomerMerges

WAITS = "majority"
CHANGES = {"insert", "update", "commitTransaction"}


class Heard(Terms):
    """Also notes what was written, and with which write concern."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[tuple[str, object]] = []

    def started(self, event: Any) -> None:
        if event.command_name in CHANGES:
            concern = event.command.get("writeConcern", {}).get("w")
            self.writes.append((event.command_name, concern))


@dataclass
class Open:
    """A client that hears, its flushes, and a collection to write to."""

    mongo: Mongo
    heard: Heard
    one_wait: OneWait

    @property
    def things(self) -> Any:
        return self.mongo.database["things"]

    async def hear_the_term(self) -> None:
        await self.things.insert_one({"_id": "the first write tells the term"})
        self.heard.writes.clear()


async def opened(uri: str) -> AsyncIterator[Open]:
    heard = Heard()
    mongo = open_mongo(uri, app_name="test", watch=heard)
    yield Open(mongo, heard, OneWait(mongo.database, heard))
    await mongo.close()


@pytest.fixture
async def store(mongo_uri: str) -> AsyncIterator[Open]:
    async for one in opened(mongo_uri):
        yield one


async def test_all_writes_of_a_flush_share_one_wait(store: Open) -> None:
    await store.hear_the_term()
    async with store.one_wait.flush():
        await writing(store.things).insert_one({"_id": 1})
        await asyncio.gather(
            writing(store.things).update_one({"_id": 1}, {"$set": {"a": 1}}),
            writing(store.things).insert_many([{"_id": 2}, {"_id": 3}]),
        )
        assert [concern for _, concern in store.heard.writes] == [1, 1, 1]
    assert store.heard.writes[3:] == [("update", WAITS)]


async def test_outside_of_a_flush_each_write_waits(store: Open) -> None:
    await store.hear_the_term()
    things = store.things
    assert writing(things) is things
    await writing(things).insert_one({"_id": 1})
    assert store.heard.writes == [("insert", WAITS)]


async def test_so_does_each_as_long_as_no_term_is_known(store: Open) -> None:
    async with store.one_wait.flush():
        assert term_of_flush() is None
        await writing(store.things).insert_one({"_id": 1})
        await writing(store.things).insert_one({"_id": 2})
    assert store.heard.writes == [("insert", WAITS)] * 2


async def test_a_flush_without_a_write_waits_for_nothing(store: Open) -> None:
    await store.hear_the_term()
    async with store.one_wait.flush():
        await store.things.find_one({})
    assert store.heard.writes == []


async def test_a_write_that_changed_nothing_is_waited_for(store: Open) -> None:
    """What it found may be another's, which the majority does not have yet."""
    await store.hear_the_term()
    async with store.one_wait.flush():
        await writing(store.things).update_one({"_id": "none"}, {"$set": {"a": 1}})
    assert store.heard.writes == [("update", 1), ("update", WAITS)]


async def test_a_task_that_outlives_its_flush_waits_for_itself(store: Open) -> None:
    await store.hear_the_term()
    over = asyncio.Event()

    async def late() -> None:
        await over.wait()
        await writing(store.things).insert_one({"_id": 2})

    async with store.one_wait.flush():
        task = asyncio.create_task(late())
        await writing(store.things).insert_one({"_id": 1})
    over.set()
    await task
    assert store.heard.writes[-1] == ("insert", WAITS)


async def test_at_its_end_a_majority_has_it(store: Open) -> None:
    await store.hear_the_term()
    durable = store.things.with_options(read_concern=ReadConcern("majority"))
    for number in range(100):
        async with store.one_wait.flush():
            await writing(store.things).insert_one({"_id": number})
        assert await durable.find_one({"_id": number}) is not None


async def test_a_transaction_begins_when_a_majority_has_what_came_before(store: Open) -> None:
    await store.hear_the_term()

    async def work(session: Session) -> object:
        await store.things.update_one({"_id": 1}, {"$set": {"found": True}}, session=session)
        return await store.things.find_one({"_id": 1}, session=session)

    async with store.one_wait.flush():
        await writing(store.things).insert_one({"_id": 1})
        assert await atomically(store.mongo.database, work) == {"_id": 1, "found": True}
    changes = [("update", None), ("commitTransaction", WAITS), ("update", WAITS)]
    assert store.heard.writes == [("insert", 1), ("update", WAITS), *changes]


@pytest.fixture
async def unsteady(tmp_path: Path) -> AsyncIterator[Open]:
    """A store of the test's own, whose primary may step down."""
    async with EmbeddedServers(tmp_path / "servers", cache_gb=0.25) as servers:
        async for one in opened(servers.mongo_uri):
            yield one


async def step_down(database: AsyncDatabase[dict[str, Any]], eventually: Any) -> None:
    """Return in the next term, with the same primary."""
    await database.client.admin.command("replSetStepDown", 1, force=True)

    async def is_primary() -> bool:
        try:
            return bool((await database.command("hello"))["isWritablePrimary"])
        except OperationFailure:
            return False

    # Whoever flushes would be refused by then.
    waiting = asyncio.create_task(eventually(is_primary, within=30), context=Context())
    await waiting


async def test_nothing_is_promised_when_the_primary_changed(
    unsteady: Open, eventually: Any
) -> None:
    store = unsteady
    await store.hear_the_term()
    first = store.heard.latest
    with pytest.raises(StoreUnavailableError, match="changed its primary"):
        async with store.one_wait.flush():
            await writing(store.things).insert_one({"_id": 1})
            await step_down(store.mongo.database, eventually)
            await writing(store.things).insert_one({"_id": 2})
    assert first is not None
    assert store.heard.latest == first + 1
    async with store.one_wait.flush():
        assert term_of_flush() == first + 1
        await writing(store.things).insert_one({"_id": 3})
    assert store.heard.writes[-2:] == [("insert", 1), ("update", WAITS)]


async def test_whom_a_lost_primary_knew_is_looked_up_anew(
    unsteady: Open, clock: Any, eventually: Any
) -> None:
    """The flush itself wrote nothing to the new primary, so it is the last wait that notices."""
    store = unsteady
    await store.hear_the_term()
    database = store.mongo.database
    people = CustomerService(
        repository=CustomerRepository(database),
        merges=CustomerMerges(database, clock=clock),
        clock=clock,
    )
    sighting = Sighting(tenant_id=ObjectId(), identity="tel:+919012345678")
    key = (sighting.tenant_id, sighting.identity)
    await CustomerRepository(database).ensure_indexes()
    with pytest.raises(StoreUnavailableError):
        async with store.one_wait.flush():
            lost = (await people.resolve([sighting])).ids[key]
            await step_down(database, eventually)
    # As a rollback would.
    await database["customers"].delete_one({"_id": lost})
    async with store.one_wait.flush():
        found = (await people.resolve([sighting])).ids[key]
    assert found != lost
    assert await database["customers"].find_one({"_id": found}) is not None


async def test_a_flush_writes_nothing_to_a_later_primary(unsteady: Open, eventually: Any) -> None:
    """What it would store there may speak of somebody who went with the earlier one."""
    store = unsteady
    await store.hear_the_term()
    first = store.heard.latest
    with pytest.raises(StoreUnavailableError, match="changed its primary"):
        async with store.one_wait.flush():
            await writing(store.things).insert_one({"_id": "a customer"})
            await step_down(store.mongo.database, eventually)
            await writing(store.things).insert_one({"_id": "what they said"})
    assert await store.things.find_one({"_id": "what they said"}) is None
    # Nobody has written to the new one yet, and the next flush goes there all the same.
    assert first is not None
    async with store.one_wait.flush():
        assert term_of_flush() == first + 1
        await writing(store.things).insert_one({"_id": 3})


async def test_a_majority_that_does_not_come_is_the_store_s_failure(
    store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.hear_the_term()
    nobody_has_it = store.mongo.database.with_options(write_concern=WriteConcern(2, wtimeout=50))
    with pytest.raises(StoreUnavailableError):
        async with OneWait(nobody_has_it, store.heard).flush():
            await writing(store.things).insert_one({"_id": 1})


async def test_who_is_met_in_an_earlier_term_is_not_remembered(unsteady: Open, clock: Any) -> None:
    """A flush of the term before still looks people up when one of the next begins."""
    store = unsteady
    await store.hear_the_term()
    database, first = store.mongo.database, store.heard.latest
    assert first is not None
    repository = CustomerRepository(database)
    await repository.ensure_indexes()
    people = CustomerService(
        repository=repository, merges=CustomerMerges(database, clock=clock), clock=clock
    )
    tenant_id = ObjectId()
    early, late = (Sighting(tenant_id=tenant_id, identity=f"tel:+91901234567{n}") for n in (1, 2))
    found, go_on = asyncio.Event(), asyncio.Event()
    find = repository.find

    async def slow_find(keys: Any) -> Any:
        asked = list(keys)
        answer = await find(asked)
        if (tenant_id, early.identity) in asked and not go_on.is_set():
            found.set()
            await go_on.wait()
        return answer

    repository.find = slow_find  # type: ignore[method-assign]

    async def flush(sighting: Sighting) -> ObjectId:
        async with store.one_wait.flush():
            return (await people.resolve([sighting])).ids[tenant_id, sighting.identity]

    slow = asyncio.create_task(flush(early))
    await found.wait()
    store.heard.latest = first + 1  # As a reply of the next primary tells it.
    with pytest.raises(StoreUnavailableError):
        await flush(late)
    go_on.set()
    lost = await slow
    await database["customers"].delete_one({"_id": lost})
    with pytest.raises(StoreUnavailableError):
        await flush(early)
    assert people._met.get((tenant_id, early.identity)) != lost


async def test_a_change_between_two_flushes_costs_nothing(unsteady: Open, eventually: Any) -> None:
    store = unsteady
    await store.hear_the_term()
    first = store.heard.latest
    await step_down(store.mongo.database, eventually)
    store.heard.latest = first  # As if nobody had asked for a server since.
    assert first is not None
    async with store.one_wait.flush():
        assert term_of_flush() == first + 1
        await writing(store.things).insert_one({"_id": 1})
