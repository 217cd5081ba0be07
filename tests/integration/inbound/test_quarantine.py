"""The quarantine: what stands in it, trying it again, and dropping it."""

import json
from pathlib import Path
from typing import Any

from bson import ObjectId

from manyline.inbound.quarantine.repository import MAX_RAW_BYTES

A, B = "111111111111111", "444444444444444"
WABA, OTHER_WABA = "102290129340398", "555555555555555"


async def listed(backend: Any, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = (await backend.call("GET", "/quarantine", params=query)).body
        found += page["items"]
        if page["nextCursor"] is None:
            return found
        query["cursor"] = page["nextCursor"]


async def retry(backend: Any, item: dict[str, Any]) -> dict[str, Any]:
    answer = await backend.call("POST", f"/quarantine/{item['quarantineId']}/retry")
    assert answer.status == 200, answer
    return dict(answer.body)


async def told(database: Any, tenant_id: str) -> dict[str, Any]:
    """What the tenant has, without ids and times of ours."""
    ours = {"_id", "tenantId", "conversationId", "createdAt", "seq", "phoneNumberId", "lease"}
    ours |= {"idempotencyKey", "updatedAt", "dueAt", "statusAt", "expiresAt", "lastSeenAt", "at"}

    def plain(document: dict[str, Any]) -> str:
        untimed = {"sentAt"} if "timestamp" not in document.get("content", {}) else set()
        kept = {key: value for key, value in document.items() if key not in ours | untimed}
        return json.dumps(kept, sort_keys=True, default=str)

    # Who was merged with whom on the way is another matter.
    tenant = {"tenantId": ObjectId(tenant_id), "mergedInto": {"$exists": False}}
    return {
        name: sorted([plain(one) async for one in database[name].find(tenant)])
        for name in ("messages", "customers", "account_events")
    }


async def test_every_kind_of_item_comes_back_as_if_it_had_never_been_set_aside(
    *, backend: Any, database: Any, request: Any, monkeypatch: Any
) -> None:
    """All recorded cases, to one tenant as ever, to the other through the quarantine."""
    one = await backend.register(A, wabaId=WABA)
    two = await backend.register(B, wabaId=OTHER_WABA)
    cases = sorted((request.config.rootpath / Path("tests/testdata/meta")).glob("*.json"))
    raw = [json.dumps(json.loads(case.read_bytes())) for case in cases]
    for text in raw:
        assert (await backend.webhook(text.encode())).status == 200
    before = await database.quarantine.count_documents({})
    with monkeypatch.context() as patch:
        patch.setattr("manyline.infra.documents.MAX_DEPTH", -1)  # Nothing foreign can be stored.
        for text in raw:
            theirs = text.replace(A, B).replace(WABA, OTHER_WABA)
            assert (await backend.webhook(theirs.encode())).status == 200
        assert (await told(database, two))["messages"] == []
    waiting = await listed(backend, tenantId=two, limit=7)
    assert len(waiting) > 60
    assert {item["part"] for item in waiting} >= {"messages", "message_echoes", "history", "entry"}
    for item in reversed(waiting):
        assert (await retry(backend, item))["outcome"] != "quarantined", item
    assert await listed(backend, tenantId=two) == []
    assert await database.quarantine.count_documents({}) == before
    wanted, got = await told(database, one), await told(database, two)
    for name, documents in wanted.items():
        as_theirs = {each.replace(A, B).replace(WABA, OTHER_WABA) for each in documents}
        assert sorted(as_theirs - set(got[name])) == [], name
        assert sorted(set(got[name]) - as_theirs) == [], name


async def test_what_still_makes_no_sense_stays_and_says_why(
    backend: Any, webhook_of: Any, database: Any
) -> None:
    tenant = await backend.register(A)
    odd = [{"id": "wamid.1"}, "\ud800", {"type": "text"}]
    change = {"changes": [{"field": "messages"}]}
    webhook = webhook_of(messages=odd, statuses=[{"id": "wamid.2", "status": "odd"}])
    webhook["entry"] += [change, 7]
    assert (await backend.webhook(webhook)).status == 200
    items = await listed(backend, limit=2)
    assert len(items) == 6
    assert [item["part"] for item in items].count("messages") == 3
    assert len(await listed(backend, tenantId=tenant)) == 4
    assert all(item["triedAt"] is None for item in items)
    for item in items:
        result = await retry(backend, item)
        assert (result["outcome"], result["reason"]) == ("quarantined", item["reason"])
    again = await listed(backend)
    assert {item["quarantineId"] for item in again} == {item["quarantineId"] for item in items}
    assert all(item["triedAt"] for item in again)
    shown = [(await backend.call("GET", f"/quarantine/{i['quarantineId']}")).body for i in items]
    assert {one["raw"] for one in shown} == {
        *(json.dumps(one) for one in odd),
        '{"id": "wamid.2", "status": "odd"}',
        '{"field": "messages"}',
        "7",
    }
    for item in items:
        answer = await backend.call("DELETE", f"/quarantine/{item['quarantineId']}")
        assert (answer.status, answer.body["ok"]) == (200, True)
    assert await listed(backend) == []
    gone = f"/quarantine/{items[0]['quarantineId']}"
    for method, path in (("GET", gone), ("DELETE", gone), ("POST", f"{gone}/retry")):
        answer = await backend.call(method, path)
        assert (answer.status, answer.code) == (404, "not_in_quarantine")
    assert (await backend.call("GET", "/quarantine/x")).status == 422


async def test_an_item_nested_too_deeply_is_kept_byte_by_byte(
    backend: Any, webhook_of: Any, text_message: Any
) -> None:
    await backend.register(A)
    deep = '{"id":"wamid.deep", "from":"919000000001" ,"x":' + "[" * 10_000 + "]" * 10_000 + "}"
    webhook = json.dumps(webhook_of(messages=["@", text_message()])).replace('"@"', deep)
    assert (await backend.webhook(webhook.encode())).status == 200
    [item] = await listed(backend)
    shown = (await backend.call("GET", f"/quarantine/{item['quarantineId']}")).body
    assert shown["raw"] == deep
    assert (await retry(backend, item))["outcome"] == "quarantined"
    assert len(await listed(backend)) == 1


async def test_an_item_of_a_tenant_goes_to_nobody_else(
    *, backend: Any, webhook_of: Any, text_message: Any, database: Any, monkeypatch: Any
) -> None:
    tenant = await backend.register(A)
    with monkeypatch.context() as patch:
        patch.setattr("manyline.infra.documents.MAX_DEPTH", -1)
        await backend.webhook(webhook_of(messages=[text_message()]))
    [item] = await listed(backend)
    assert item["tenantId"] == tenant
    other = ObjectId()
    await database.quarantine.update_one({}, {"$set": {"tenantId": other}})
    result = await retry(backend, item)
    assert result["outcome"] == "quarantined"
    assert "no tenant" in result["reason"]
    assert await backend.messages(tenant) == []
    # Nobody knows any more who signed it: it is nobody's.
    await database.quarantine.update_one({}, {"$unset": {"tenantId": ""}})
    assert (await retry(backend, item))["outcome"] == "quarantined"
    assert await backend.messages(tenant) == []


async def test_what_was_too_large_to_be_kept_whole_can_only_be_dropped(
    backend: Any, webhook_of: Any, database: Any
) -> None:
    await backend.register(A)
    raw = json.dumps(webhook_of(messages=["@"])).encode()
    odd = raw.replace(b"@", b"\xff" * 1_000_000)  # Each byte becomes an escape of six.
    assert (await backend.webhook(odd)).status == 200
    [item] = await listed(backend)
    assert (item["cut"], item["size"]) == (True, MAX_RAW_BYTES)
    assert "dropped" in (await retry(backend, item))["reason"]


async def test_it_has_its_own_time(open_backend: Any, webhook_of: Any, database: Any) -> None:
    backend = await open_backend(quarantine_days=3)
    await backend.register(A)
    await backend.webhook(webhook_of(messages=[7]))
    item = await database.quarantine.find_one({})
    assert (item["expiresAt"] - item["createdAt"]).days == 3
    expiry = (await database.quarantine.index_information())["expiry"]
    assert (expiry["key"], expiry["expireAfterSeconds"]) == ([("expiresAt", 1)], 0)


async def test_the_same_bad_item_of_two_tenants_is_two(backend: Any, webhook_of: Any) -> None:
    tenants = [await backend.register(number) for number in (A, B)]
    for number in (A, B, A):
        assert (await backend.webhook(webhook_of(number, messages=["bad"]))).status == 200
    assert sorted(one["tenantId"] for one in await listed(backend)) == sorted(tenants)
    for tenant_id in tenants:
        [item] = await listed(backend, tenantId=tenant_id)
        assert item["tenantId"] == tenant_id
