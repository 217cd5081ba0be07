"""The lists of dead letters and doubts, and errors explained wherever they are shown."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

BEGAN = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


async def with_troubles(backend: Any, database: Any, tenant_id: str, status: str) -> list[str]:
    """Ten, oldest trouble first; two always began in the same millisecond."""
    ids = [await backend.sent(tenant_id, text=f"{status} {n}") for n in range(10)]
    for n, message_id in enumerate(ids):
        began = BEGAN + timedelta(minutes=n // 2)
        fields = {
            "status": status,
            f"statusAt.{status}": began,
            "troubleAt": began,
            "error": {"title": "x", "code": 131009 if n < 4 else 131026},
        }
        await database.messages.update_one(
            {"_id": ObjectId(message_id)}, {"$set": fields, "$unset": {"dueAt": ""}}
        )
    return ids


async def listed(backend: Any, path: str, **query: Any) -> list[str]:
    """All pages of a list, as ids."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        given = {**query, **({"cursor": cursor} if cursor else {})}
        answer = await backend.call("GET", path, params=given)
        assert answer.status == 200, answer
        assert len(answer.body["items"]) <= query.get("limit", 50)
        found += [item["messageId"] for item in answer.body["items"]]
        cursor = answer.body["nextCursor"]
    return found


@pytest.mark.parametrize(
    ("path", "status", "other"),
    [("dead-letters", "failed", "in_doubt"), ("in-doubt", "in_doubt", "failed")],
)
async def test_each_list_has_its_own_the_newest_trouble_first(
    backend: Any, database: Any, path: str, status: str, other: str
) -> None:
    tenant_id, stranger = await backend.register(), await backend.register("222222")
    ids = await with_troubles(backend, database, tenant_id, status)
    await with_troubles(backend, database, tenant_id, other)
    await with_troubles(backend, database, stranger, status)
    await backend.sent(tenant_id)
    where = f"/tenants/{tenant_id}/{path}"
    newest_first = ids[::-1]
    assert await listed(backend, where) == newest_first
    for limit in (1, 2, 3, 7, 10):
        assert await listed(backend, where, limit=limit) == newest_first
    assert await listed(backend, where, code=131009, limit=3) == ids[3::-1]
    since, until = BEGAN + timedelta(minutes=1), BEGAN + timedelta(minutes=4)
    between = {"since": since.isoformat(), "until": until.isoformat()}
    assert await listed(backend, where, limit=3, **between) == ids[7:1:-1]
    assert await listed(backend, where, code=131009, **between) == ids[3:1:-1]
    east = (since + timedelta(hours=5, minutes=30)).isoformat().replace("+00:00", "+05:30")
    assert await listed(backend, where, since=east) == ids[:1:-1]
    assert await listed(backend, where, since="0001-01-01T00:00:00+14:00") == newest_first
    assert await listed(backend, where, until="9999-12-31T23:59:59-14:00") == newest_first


async def test_items_are_messages_with_their_errors_explained(backend: Any, database: Any) -> None:
    tenant_id = await backend.register()
    ids = await with_troubles(backend, database, tenant_id, "failed")
    dead = (await backend.call("GET", f"/tenants/{tenant_id}/dead-letters")).body["items"]
    all_of_them = (await backend.call("GET", f"/tenants/{tenant_id}/messages")).body["items"]
    assert {item["messageId"]: item for item in dead} == {
        item["messageId"]: item for item in all_of_them
    }
    error = dead[-1]["error"]
    assert (error["code"], error["class"], error["title"]) == (131009, "content", "x")
    assert error["meaning"]
    assert error["fix"]
    assert error["platformDoes"]
    assert error["href"].startswith("https://developers.facebook.com/")
    assert "timeline" not in dead[0]
    one = await backend.message(tenant_id, ids[0])
    assert one["error"] == error
    stored = await database.messages.find_one({"_id": ObjectId(ids[0])})
    assert stored["error"] == {"title": "x", "code": 131009}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"since": "2026-11-20T12:00:00"}, 422),
        ({"until": "yesterday"}, 422),
        ({"code": "many"}, 422),
        ({"code": -1}, 422),
        ({"limit": 101}, 422),
        ({"cursor": "AAAA"}, 400),
        ({"cursor": "_" * 27}, 400),
    ],
)
async def test_a_filter_that_makes_no_sense_is_refused(
    backend: Any, query: dict[str, Any], status: int
) -> None:
    tenant_id = await backend.register()
    for path in ("dead-letters", "in-doubt"):
        answer = await backend.call("GET", f"/tenants/{tenant_id}/{path}", params=query)
        assert answer.status == status, answer
        assert answer.code == ("bad_cursor" if status == 400 else "invalid_request")


async def test_an_unknown_tenant_has_none(backend: Any) -> None:
    for method, path in [
        ("GET", "dead-letters"),
        ("GET", "in-doubt"),
        ("POST", "dead-letters/replay"),
        ("POST", "in-doubt/mark-sent"),
        ("POST", f"messages/{ObjectId()}/replay"),
    ]:
        more = {"json": {"filter": {}}} if method == "POST" else {}
        answer = await backend.call(method, f"/tenants/{ObjectId()}/{path}", **more)
        assert (answer.status, answer.code) == (404, "tenant_not_found")


async def test_received_messages_have_a_timeline_too(
    backend: Any, webhook_of: Any, text_message: Any
) -> None:
    tenant_id = await backend.register()
    await backend.webhook(webhook_of(messages=[text_message()]))
    received, reply = await backend.messages(tenant_id)
    [entry] = (await backend.message(tenant_id, received["messageId"]))["timeline"]
    assert entry == {
        "at": received["createdAt"],
        "event": "received",
        "text": "Received from the customer.",
    }
    told = (await backend.message(tenant_id, reply["messageId"]))["timeline"]
    assert told[0]["text"].startswith("Made as the automatic reply")
    assert told[-1]["event"] == "waiting"
