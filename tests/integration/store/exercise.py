"""Everything that the product asks of MongoDB, at least once each, through its own entries."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from bson import ObjectId

from tests.integration.conftest import eventually
from tests.integration.store.rarely import Stores, rarely

CASES = Path(__file__).parents[2] / "testdata/meta"
WABA = "102290129340398"  # Of the recorded cases.


@dataclass(frozen=True)
class Scene:
    """The product, and what a test says to it."""

    backend: Any
    simulator: Any
    database: Any

    def text_message(self, text: str = "hi", *, sender: str = "919111111111") -> dict[str, Any]:
        """A customer's text, as it stands in a webhook."""
        named = {"from": sender, "id": f"wamid.{ObjectId()}"}
        return {**named, "type": "text", "text": {"body": text}}

    async def hear(self, number: str, *messages: dict[str, Any], **value: Any) -> None:
        """A webhook; 200 is its answer."""
        told = {"metadata": {"phone_number_id": number}, "messages": messages, **value}
        change = {"field": "messages", "value": told}
        assert (await self.backend.webhook({"entry": [{"changes": [change]}]})).status == 200

    async def read_pages(self, where: str, query: dict[str, Any], *, most: int) -> list[Any]:
        """At most so many pages of a list."""
        found: list[Any] = []
        cursor: dict[str, str] = {}
        for _ in range(most):
            answer = await self.backend.call("GET", where, params=query | cursor)
            assert answer.status == 200, answer
            found += answer.body["items"]
            if answer.body["nextCursor"] is None:
                break
            cursor = {"cursor": answer.body["nextCursor"]}
        return found


async def fill(scene: Scene, tenants: Iterable[str]) -> None:
    """Something to search through, or the planner's choice means nothing."""
    for number in ("111111", "222222"):
        people = [f"9190123{n:05}" for n in range(150)]
        await scene.hear(number, *(scene.text_message(sender=person) for person in people))
    for tenant_id in tenants:
        to = (f"9190123{n:05}" for n in range(100))
        await asyncio.gather(*(scene.backend.send(tenant_id, to=person) for person in to))


async def exercise(scene: Scene, tenants: tuple[str, str]) -> None:
    """Every kind of query at least once."""
    one, two = tenants
    backend = scene.backend
    assert await backend.register("333333")
    dead = await of_a_dead_worker(scene, one)
    scene.simulator.set_faults({"fault": {"kind": "error", "code": 2}, "probability": 0.1})
    key = {"idempotency_key": "twice"}
    unknown = await backend.sent(one, **key)
    await backend.sent(one, **key)
    line = [await backend.sent(two, to="+919087654322", text=f"{n}") for n in range(8)]
    await people_meet(scene, one)
    await of_nobody(scene)
    async with listening(backend, two) as told:
        worker = await backend.start_worker()
        await backend.until_status(one, dead, "in_doubt")
        await backend.until_status(one, unknown, "read")
        await backend.until_status(two, line[-1], "read")
        await told()
    await statuses_find_theirs(scene, worker, unknown)
    await long_waits_end(scene, one, two)
    await in_trouble(scene, one)
    await of_every_kind(scene, one)
    await looked_at(scene, tenants)
    await for_the_operator(scene, one)
    stores = Stores(product=worker.foundation.mongo.database, test=scene.database)
    await rarely(stores, ObjectId(one))
    await worker.merges.sweep()
    await worker.relay_role.release()
    await worker.foundation.heartbeats.gone(owner=worker.foundation.owner)


async def people_meet(scene: Scene, tenant_id: str) -> None:
    """Two customers turn out to be one, each with a line; and somebody moves whom nobody knew."""
    number, user_id = "919090000001", "IN.4711"
    by_number, by_id = {"from": number}, {"from_user_id": user_id}
    contact = {"profile": {"name": "Asha"}}
    for named in (by_number, by_id, by_number | by_id):
        message = scene.text_message() | {"from": None} | named
        told = {"wa_id": named.get("from"), "user_id": named.get("from_user_id")}
        known = contact | {key: value for key, value in told.items() if value}
        said = {key: value for key, value in message.items() if value}
        await scene.hear("111111", said, contacts=[known])
    moved = {"type": "user_changed_number", "wa_id": "919090000003", "body": "moved"}
    notice = {"from": "919090000002", "id": "wamid.moved", "type": "system", "system": moved}
    await scene.hear("111111", notice)
    past = datetime.now(UTC) - timedelta(minutes=1)
    found = await scene.database.customers.update_many(
        {"sweepAt": {"$exists": True}}, {"$set": {"sweepAt": past}}
    )
    assert found.modified_count == 1, "the two were merged"


async def of_nobody(scene: Scene) -> None:
    """Webhooks that name nobody whom we know, among others that do."""
    account = {"field": "account_alerts", "value": {"alert_type": "X"}}
    await scene.backend.webhook({"entry": [{"id": WABA, "changes": [account]}]})
    # Who is it from? Asked of whoever has an app of its own, and there is none.
    await scene.backend.webhook({"entry": []}, **{"X-Hub-Signature-256": "sha256=" + "0" * 64})
    new, known = "9190123999999", "919012300001"
    unknown = {"id": "wamid.unknown", "status": "sent"}
    ours = {"id": "wamid.x", "status": "sent", "biz_opaque_callback_data": str(ObjectId())}
    messages = (scene.text_message(sender=person) for person in (new, known))
    await scene.hear("111111", *messages, statuses=[unknown, ours])


@asynccontextmanager
async def listening(backend: Any, tenant_id: str) -> AsyncIterator[Callable[[], Any]]:
    """A console that looks on; yields what waits for its first event."""
    url = f"{backend.url}/tenants/{tenant_id}/events"
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as stream:

        async def told() -> None:
            while not (line := await stream.content.readline()).startswith(b"data:"):
                assert line, "the stream has ended"

        yield told


async def statuses_find_theirs(scene: Scene, worker: Any, unknown: str) -> None:
    """One of the parked statuses finds its message, the other does not."""
    messages, parked = scene.database.messages, scene.database.parked_statuses
    await messages.update_one(
        {"_id": ObjectId(unknown)}, {"$set": {"waMessageId": "wamid.unknown"}}
    )
    past = datetime.now(UTC) - timedelta(minutes=1)
    await parked.update_many({}, {"$set": {"tryAt": past}})
    await worker.statuses.retry_parked()
    await eventually(lambda: _is_gone(parked, "wamid.unknown"))


async def _is_gone(parked: Any, wamid: str) -> bool:
    return await parked.find_one({"waMessageId": wamid}) is None


async def long_waits_end(scene: Scene, one: str, two: str) -> None:
    """A wait that Meta asked for, and a doubt of a tenant who would rather have it sent twice."""
    messages = scene.database.messages
    past = datetime.now(UTC) - timedelta(hours=1)
    await scene.backend.patch(two, settings={"inDoubtPolicy": "resend"})
    waits = {"status": "queued", "statusRank": 0, "parkedUntil": past, "attempts": 0}
    doubts = {
        "status": "in_doubt",
        "statusRank": 2,
        "troubleAt": past,
        "attempts": 1,
        "lease": {"owner": "dead/2", "expiresAt": past},
    }
    for tenant_id, fields in ((one, waits), (two, doubts)):
        found = {"tenantId": ObjectId(tenant_id), "direction": "OUT", "dueAt": {"$exists": False}}
        settled = await messages.find_one(found)
        gone = {"troubleAt": ""} if tenant_id == one else {"parkedUntil": ""}
        await messages.update_one({"_id": settled["_id"]}, {"$set": fields, "$unset": gone})
        await eventually(partial(_has_moved, messages, settled["_id"], fields))


async def _has_moved(messages: Any, message_id: ObjectId, was: dict[str, Any]) -> bool:
    now = await messages.find_one({"_id": message_id})
    return any(name not in now for name in ("parkedUntil", "troubleAt") if name in was)


async def of_a_dead_worker(scene: Scene, tenant_id: str) -> str:
    """A message whose claim nobody settled."""
    dead: str = await scene.backend.sent(tenant_id, to="+919087654321")
    past = datetime.now(UTC) - timedelta(minutes=1)
    claimed = {
        "status": "sending",
        "statusRank": 1,
        "statusAt.sending": past,
        "lease": {"owner": "dead/1", "expiresAt": past},
        "dueAt": past,
    }
    await scene.database.messages.update_one({"_id": ObjectId(dead)}, {"$set": claimed})
    return dead


async def of_every_kind(scene: Scene, tenant_id: str) -> None:
    """All that Meta can send, and again; then what is made of it is read."""
    await scene.backend.patch(tenant_id, wabaId=WABA)
    for case in sorted(CASES.glob("*.json")):
        body = case.read_bytes().replace(b"111111111111111", b"111111")
        for _ in range(2):
            assert (await scene.backend.webhook(body)).status == 200
    # Live what the history told before.
    live = scene.text_message("Thanks!", sender="16505551234")
    await scene.hear("111111", live | {"id": "wamid.h3"})
    await scene.backend.messages(tenant_id)
    await scene.read_pages(f"/tenants/{tenant_id}/account-events", {"limit": 10}, most=9)


async def in_trouble(scene: Scene, tenant_id: str) -> None:
    """The lists of dead letters and doubts, replays and marks; many began at one moment."""
    backend, database = scene.backend, scene.database
    like = await database.messages.find_one({"tenantId": ObjectId(tenant_id), "direction": "OUT"})
    for unset in ("waMessageId", "dueAt", "lease"):
        like.pop(unset, None)
    now = datetime.now(UTC)
    for status in ("failed", "in_doubt"):
        trouble = {"status": status, "error": {"code": 131026}}
        places = [{"_id": ObjectId(), "idempotencyKey": f"{status} {n}"} for n in range(400)]
        await database.messages.insert_many(
            [
                {**like, **trouble, **own, "troubleAt": now - timedelta(minutes=n // 100)}
                for n, own in enumerate(places)
            ]
        )
    since, until = (now - timedelta(minutes=n) for n in (3, 1))
    between = {"since": since.isoformat(), "until": until.isoformat()}
    for path in ("dead-letters", "in-doubt"):
        where = f"/tenants/{tenant_id}/{path}"
        for query in ({}, {"code": 131026}, {"code": 1}, between, {**between, "code": 131026}):
            await scene.read_pages(where, {**query, "limit": 10}, most=9)
        ids = [one["messageId"] for one in (await backend.call("GET", where)).body["items"]]
        for deed in ("replay", "mark-sent"):
            await backend.call("POST", f"/tenants/{tenant_id}/messages/{ids.pop()}/{deed}")
        given = {"filter": {"code": 131026, **between}, "limit": 5}
        for body in (given, {"messageIds": ids[:5]}, {"filter": {}, "limit": 5}):
            await backend.call("POST", f"{where}/replay", json=body)
            if path == "in-doubt":
                await backend.call("POST", f"{where}/mark-sent", json=body)


async def looked_at(scene: Scene, tenants: Iterable[str]) -> None:
    """What people look at: lists, conversations, and what happens while they do."""
    backend = scene.backend
    await backend.call("GET", "/health/ready")
    for tenant_id in tenants:
        of_tenant = f"/tenants/{tenant_id}"
        await backend.messages(tenant_id)
        await backend.call("GET", "/tenants?limit=1")
        await backend.patch(tenant_id, name="B")
        for noun in ("customers", "conversations"):
            found = await scene.read_pages(f"{of_tenant}/{noun}", {"limit": 7}, most=4)
        where = f"{of_tenant}/conversations/{found[0]['conversationId']}"
        for path in (where, f"{of_tenant}/conversations/{ObjectId()}"):
            await backend.call("GET", path)
            await backend.call("POST", f"{path}/read", json={})
        await scene.read_pages(f"{where}/messages", {"limit": 1}, most=3)


async def for_the_operator(scene: Scene, tenant_id: str) -> None:
    """The ledger and the quarantine, of one tenant and of all."""
    backend = scene.backend
    lone = (scene.text_message(f"{n} \ud800") for n in range(12))
    await scene.hear("111111", *lone)
    assert (await backend.webhook({"entry": [f"no entry {n}" for n in range(12)]})).status == 200
    for whose in ({}, {"tenantId": tenant_id}):
        kept = await scene.read_pages("/quarantine", {"limit": 5, **whose}, most=4)
        where = f"/quarantine/{kept[0]['quarantineId']}"
        for method, path in (("GET", where), ("POST", f"{where}/retry"), ("DELETE", where)):
            await backend.call(method, path)
        given = {"since": "2020-01-01T00:00:00Z", "dryRun": True, **whose}
        for _ in range(3):
            replayed = (await backend.call("POST", "/webhooks/replay", json=given)).body
            if replayed["nextCursor"] is None:
                break
            given |= {"cursor": replayed["nextCursor"], "until": replayed["until"]}
