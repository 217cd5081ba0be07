"""Every query the product makes uses an index: it runs under MongoDB's profiler, all of it."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bson import ObjectId

CASES = Path(__file__).parents[2] / "testdata/meta"
OUR_COLLECTIONS = {
    "tenants",
    "customers",
    "conversations",
    "messages",
    "parked_statuses",
    "account_events",
    "heartbeats",
    "leases",
}
# Collections with one document per process or role.
TINY = {"heartbeats", "leases"}


async def test_no_collection_scans_and_no_sorting_in_memory(
    *,
    backend: Any,
    simulator: Any,
    webhook_of: Any,
    text_message: Any,
    database: Any,
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr("manyline.sending.relay.OVERDUE", timedelta(seconds=0.2))
    monkeypatch.setattr("manyline.sending.deliver.FEWEST_TAKEN", 2)
    monkeypatch.setattr("manyline.sending.deliver.MOST_TAKEN", 2)
    monkeypatch.setattr("manyline.tenants.directory.REFRESH_SECONDS", 0.1)
    # Something to search through, or the planner's choice means nothing.
    one, two = await backend.register("111111"), await backend.register("222222")
    await fill(backend, webhook_of, text_message, (one, two))
    # By default it keeps a megabyte, and forgets what came first.
    await database.create_collection("system.profile", capped=True, size=64 * 1024 * 1024)
    await database.command("profile", 2)
    try:
        await exercise(
            backend=backend,
            simulator=simulator,
            webhook_of=webhook_of,
            text_message=text_message,
            database=database,
            tenants=(one, two),
        )
    finally:
        await database.command("profile", 0)
    operations = [
        each async for each in database["system.profile"].find({"appName": {"$regex": "^manyline"}})
    ]
    told = [(each["ns"].split(".", 1)[1], each["op"], each) for each in operations]
    assert {name for name, _, _ in told} >= OUR_COLLECTIONS
    assert {op for _, op, _ in told} >= {"query", "update", "insert", "command", "remove"}
    scans = [
        (name, op, each.get("command"))
        for name, op, each in told
        if "COLLSCAN" in each.get("planSummary", "") and name not in TINY
    ]
    assert scans == []
    sorts = [(name, each.get("command")) for name, _, each in told if each.get("hasSortStage")]
    assert sorts == []
    # What a query looks at without answering it grows with the store.
    wasteful = {
        (name, *sorted(each["command"].get("filter", each["command"])))
        for name, op, each in told
        if op == "query" and each.get("docsExamined", 0) > 3 * each.get("nreturned", 0) + 20
    }
    assert wasteful == set()


async def fill(backend: Any, webhook_of: Any, text_message: Any, tenants: Iterable[str]) -> None:
    for number in ("111111", "222222"):
        people = [f"9190123{n:05}" for n in range(150)]
        await backend.webhook(webhook_of(number, messages=[text_message(sender=p) for p in people]))
    for tenant_id in tenants:
        await asyncio.gather(*(backend.send(tenant_id, to=f"9190123{n:05}") for n in range(100)))


async def exercise(
    *,
    backend: Any,
    simulator: Any,
    webhook_of: Any,
    text_message: Any,
    database: Any,
    tenants: tuple[str, str],
) -> None:
    """Every kind of query at least once."""
    one, two = tenants
    dead = await backend.sent(one, to="+919087654321")
    past = datetime.now(UTC) - timedelta(minutes=1)
    lease = {"owner": "dead/1", "expiresAt": past}
    await database.messages.update_one(
        {"_id": ObjectId(dead)},
        {
            "$set": {
                "status": "sending",
                "statusRank": 1,
                "statusAt.sending": past,
                "lease": lease,
                "dueAt": past,
            }
        },
    )
    simulator.set_faults({"fault": {"kind": "error", "code": 2}, "probability": 0.1})
    key = {"idempotency_key": "twice"}
    await backend.sent(one, **key)
    await backend.sent(one, **key)
    line = [await backend.sent(two, to="+919087654322", text=f"{n}") for n in range(8)]
    account = {"field": "account_alerts", "value": {"alert_type": "X"}}
    await backend.webhook({"entry": [{"id": "102290129340398", "changes": [account]}]})
    # Who is it from? Asked of whoever has an app of its own, and there is none.
    await backend.webhook({"entry": []}, **{"X-Hub-Signature-256": "sha256=" + "0" * 64})
    await backend.webhook(
        webhook_of(
            "111111",
            messages=[text_message(sender="9190123999999"), text_message(sender="919012300001")],
            statuses=[
                {"id": "wamid.unknown", "status": "sent"},
                {"id": "wamid.x", "status": "sent", "biz_opaque_callback_data": str(ObjectId())},
            ],
        )
    )
    worker = await backend.start_worker()
    await backend.until_status(one, dead, "in_doubt")
    await backend.until_status(two, line[-1], "read")
    # One of the parked statuses finds its message, the other does not.
    await database.messages.update_one(
        {"_id": ObjectId(line[0])}, {"$set": {"waMessageId": "wamid.unknown"}}
    )
    await database.parked_statuses.update_many({}, {"$set": {"tryAt": past}})
    await worker.statuses.retry_parked()
    await backend.call("GET", "/health/ready")
    for tenant_id in tenants:
        await backend.messages(tenant_id)
        await backend.call("GET", "/tenants?limit=1")
        await backend.patch(tenant_id, name="B")
    await in_trouble(backend, database, one)
    await of_every_kind(backend, one)
    await worker.relay_role.release()


async def of_every_kind(backend: Any, tenant_id: str) -> None:
    """All that Meta can send, and again; then what is made of it is read."""
    await backend.patch(tenant_id, wabaId="102290129340398")
    for case in sorted(CASES.glob("*.json")):
        body = case.read_bytes().replace(b"111111111111111", b"111111")
        for _ in range(2):
            assert (await backend.webhook(body)).status == 200
    await backend.messages(tenant_id)
    await read_pages(backend, f"/tenants/{tenant_id}/account-events", {"limit": 10}, most=9)


async def in_trouble(backend: Any, database: Any, tenant_id: str) -> None:
    """The lists of dead letters and doubts, replays and marks; many began at one moment."""
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
            await read_pages(backend, where, {**query, "limit": 10}, most=9)
        ids = [one["messageId"] for one in (await backend.call("GET", where)).body["items"]]
        for deed in ("replay", "mark-sent"):
            await backend.call("POST", f"/tenants/{tenant_id}/messages/{ids.pop()}/{deed}")
        given = {"filter": {"code": 131026, **between}, "limit": 5}
        for body in (given, {"messageIds": ids[:5]}, {"filter": {}, "limit": 5}):
            await backend.call("POST", f"{where}/replay", json=body)
            if path == "in-doubt":
                await backend.call("POST", f"{where}/mark-sent", json=body)


async def read_pages(backend: Any, where: str, query: dict[str, Any], *, most: int) -> None:
    cursor: dict[str, str] = {}
    for _ in range(most):
        page = (await backend.call("GET", where, params=query | cursor)).body
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
