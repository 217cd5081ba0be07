"""Every query the product makes uses an index: it runs under MongoDB's profiler, all of it."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

OUR_COLLECTIONS = {
    "tenants",
    "customers",
    "conversations",
    "messages",
    "parked_statuses",
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
    monkeypatch.setattr("manyline.sending.deliver.DRAIN_WINDOW", 5)
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
        {"$set": {"status": "sending", "statusRank": 1, "lease": lease, "dueAt": past}},
    )
    simulator.set_faults({"fault": {"kind": "error", "code": 2}, "probability": 0.1})
    key = {"idempotency_key": "twice"}
    await backend.sent(one, **key)
    await backend.sent(one, **key)
    line = [await backend.sent(two, to="+919087654322", text=f"{n}") for n in range(8)]
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
    await worker.relay_role.release()
