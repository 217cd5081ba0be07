"""The bare limit and the full database hold documents of the product's own shape, field by field.

Otherwise the benchmark would compare with something else than it says.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from bench import work
from bench.bare.flushes import Flushes
from bench.bare.way_in import WayIn
from bench.bare.way_out import WayOut
from bench.growth.documents import Past
from bench.load import phone_number_id, webhook
from bench.store import Reply
from manyline.infra.mongo import Mongo
from manyline.infra.one_wait import Terms
from manyline.infra.redis import RedisServer
from manyline.queue.jobs import NewJob
from manyline.queue.producer import WakeQueue
from manyline.sending.repository import OutboxRepository
from manyline.settings import Settings

Store = AsyncDatabase[dict[str, Any]]
Shape = dict[str, str]
SAID = 2
"""Messages of one customer: the first makes the customer, the second finds them."""


def shape(value: Any, path: str = "") -> Shape:
    """Every field by its path, with the type of its value."""
    if isinstance(value, Mapping):
        fields: Shape = {}
        for name, member in value.items():
            fields |= shape(member, f"{path}.{name}")
        return fields
    return {path: type(value).__name__}


async def shapes(store: Store) -> dict[str, Shape]:
    """Of what one customer's messages left: one document of each kind."""
    found = {
        "IN": await store["messages"].find_one({"direction": "IN"}),
        "OUT": await store["messages"].find_one({"direction": "OUT"}),
        "customer": await store["customers"].find_one({}),
        "conversation": await store["conversations"].find_one({}),
        "ledger": await store["webhook_ledger"].find_one({}),
    }
    assert None not in found.values(), found
    return {kind: shape(document) for kind, document in found.items()}


async def settled(store: Store) -> bool:
    query = {"direction": "OUT", "status": "sent"}
    kept = await store["webhook_ledger"].find_one({})
    return await store["messages"].count_documents(query) == SAID and kept is not None


class Heard(WakeQueue):
    """Notes whom the jobs wake; the product's worker, which still runs, gets none of them."""

    def __init__(self, *, redis: RedisServer) -> None:
        super().__init__(redis=redis)
        self.woken: list[str] = []

    async def add_jobs(self, jobs: Sequence[NewJob]) -> None:
        for job in jobs:
            self.woken += job["data"]["messageIds"]


@pytest.fixture
async def product(open_backend: Any, database: Store, eventually: Any) -> dict[str, Shape]:
    """What the product leaves when messages were answered."""
    backend = await open_backend()
    await backend.register(phone_number_id(0), accessToken="mock_token")
    await backend.start_worker()
    for number in range(SAID):
        said = webhook(number, 0, phone_number_id(0), str(int(time.time())))
        assert (await backend.webhook(said.encode())).status == 200
    await eventually(lambda: settled(database))
    return await shapes(database)


async def test_the_bare_limit_leaves_what_the_product_leaves(
    *,
    product: dict[str, Shape],
    mongo: Mongo,
    database: Store,
    make_settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in await database.list_collection_names():
        await database[name].delete_many({})
    monkeypatch.setattr("bench.bare.flushes.CUSTOMERS", 1)
    queue = Heard(redis=RedisServer.from_settings(make_settings()))
    way_in = WayIn(mongo.database, Terms(), queue)
    await way_in.open()
    flushes = list(Flushes(tenants=1).make(SAID, each=1))
    assert await way_in.write(iter(flushes), seconds=60) == SAID
    await way_in.close()
    await queue.close()
    replies = [reply for flush in flushes for reply in flush.replies]
    assert sorted(queue.woken) == sorted(replies)
    await WayOut(OutboxRepository(mongo.database)).send(replies)
    assert await database["messages"].count_documents({}) == 2 * SAID
    assert await database["customers"].count_documents({}) == 1
    assert await settled(database)
    for kind, found in (await shapes(database)).items():
        assert found == product[kind], kind


async def test_the_past_has_the_shape_of_messages_that_went_all_the_way(
    open_backend: Any, database: Store, eventually: Callable[..., Awaitable[Any]]
) -> None:
    backend = await open_backend()
    await backend.register(phone_number_id(0), accessToken="mock_token")
    await backend.start_worker()
    said = webhook(0, 0, phone_number_id(0), str(int(time.time())))
    assert (await backend.webhook(said.encode())).status == 200
    query = {"direction": "OUT", "status": "sent"}
    reply = await eventually(lambda: database["messages"].find_one(query))
    one = Reply(reply["_id"], reply["waMessageId"], phone_number_id(0), reply["to"])
    for request in work.statuses([one], app_secret="unsigned here"):
        assert (await backend.webhook(request.body.encode())).status == 200
    read = {"direction": "OUT", "status": "read"}
    await eventually(lambda: database["messages"].find_one(read))
    await eventually(lambda: database["webhook_ledger"].find_one({}))
    found = await shapes(database)
    del found["ledger"]
    past = Past([(reply["tenantId"], phone_number_id(0))])
    customer = next(past.customers())
    conversation = next(past.conversations())
    inbound, outbound = past.messages(2)
    made = {"IN": inbound, "OUT": outbound, "customer": customer, "conversation": conversation}
    for kind, document in made.items():
        assert shape(document) == found[kind], kind
    assert outbound["conversationId"] == customer["_id"] == conversation["_id"]
