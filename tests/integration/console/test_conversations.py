"""Conversations, their messages and customers, as a console reads them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from manyline.conversations.models import Turn
from manyline.conversations.repository import ConversationRepository
from manyline.infra.mongo import Mongo

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


async def everything(backend: Any, path: str, **query: Any) -> list[dict[str, Any]]:
    """All pages of a list, one after another."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await backend.call("GET", path, params=query)
        assert answer.status == 200, answer
        found += answer.body["items"]
        assert len(answer.body["items"]) <= query.get("limit", 50)
        if answer.body["nextCursor"] is None:
            return found
        query["cursor"] = answer.body["nextCursor"]


@pytest.fixture
def say(
    backend: Any, text_message: Callable[..., Any], webhook_of: Callable[..., Any]
) -> Callable[..., Any]:
    """A customer says something, `at` a time in Unix seconds."""

    async def said(sender: str, text: str, *, at: datetime | None = None, **more: Any) -> None:
        message = text_message(text, sender=sender)
        if at is not None:
            message["timestamp"] = str(int(at.timestamp()))
        answer = await backend.webhook(webhook_of(messages=[message], **more))
        assert answer.status == 200

    return said


async def test_a_conversation_shows_who_what_and_how_much_is_unread(backend: Any, say: Any) -> None:
    tenant = await backend.register()
    contacts = [{"wa_id": "919111111111", "profile": {"name": "Asha"}}]
    await say("919111111111", "hello", contacts=contacts)
    await say("919111111111", "anybody there? " + "x" * 200)
    [shown] = await everything(backend, f"/tenants/{tenant}/conversations")
    assert shown["customer"]["name"] == "Asha"
    assert shown["customer"]["waId"] == "+919111111111"
    assert shown["unread"] == 2
    assert shown["readAt"] is None
    assert shown["status"] == "open"
    assert shown["lastMessage"]["direction"] == "IN"
    assert shown["lastMessage"]["preview"] == ("anybody there? " + "x" * 200)[:120]
    opened = datetime.fromisoformat(shown["windowExpiresAt"])
    assert opened - datetime.fromisoformat(shown["lastInboundAt"]) == timedelta(hours=24)
    same = await backend.call("GET", f"/tenants/{tenant}/conversations/{shown['conversationId']}")
    assert same.body == shown


async def test_reading_and_writing_change_what_is_unread(backend: Any, say: Any) -> None:
    tenant = await backend.register()
    await say("919111111111", "one")
    [shown] = await everything(backend, f"/tenants/{tenant}/conversations")
    path = f"/tenants/{tenant}/conversations/{shown['conversationId']}"
    read = await backend.call("POST", f"{path}/read")
    assert (read.status, read.body["unread"]) == (200, 0)
    await backend.sent(tenant, to="+919111111111")
    assert (await backend.call("GET", path)).body["unread"] == 0
    await say("919111111111", "two")
    assert (await backend.call("GET", path)).body["unread"] == 1
    earlier = await backend.call("POST", f"{path}/read", json={"readAt": "2026-01-01T00:00:00Z"})
    assert earlier.body["readAt"] == read.body["readAt"]
    assert earlier.body["unread"] == 1
    later = await backend.call("POST", f"{path}/read", json={"readAt": "2099-01-01T00:00:00Z"})
    assert later.body["readAt"] < "2099"
    await say("919111111111", "three")
    assert (await backend.call("GET", path)).body["unread"] == 1


async def test_what_comes_in_after_reading_is_unread_whatever_meta_says_of_its_time(
    backend: Any, say: Any
) -> None:
    """Meta's time is in whole seconds and may be minutes old; what was read goes by our clock."""
    tenant = await backend.register()
    await say("919111111111", "one")
    [shown] = await everything(backend, f"/tenants/{tenant}/conversations")
    path = f"/tenants/{tenant}/conversations/{shown['conversationId']}"
    assert (await backend.call("POST", f"{path}/read")).body["unread"] == 0
    await say("919111111111", "two", at=datetime.now(UTC) - timedelta(seconds=5))
    await say("919111111111", "three", at=datetime.now(UTC) - timedelta(minutes=5))
    assert (await backend.call("GET", path)).body["unread"] == 2
    assert (await everything(backend, f"/tenants/{tenant}/conversations"))[0]["unread"] == 2
    assert (await backend.call("POST", f"{path}/read")).body["unread"] == 0


async def test_a_badge_counts_to_a_hundred(
    backend: Any, text_message: Any, webhook_of: Any
) -> None:
    tenant = await backend.register()
    many = [text_message(f"number {number}") for number in range(130)]
    assert (await backend.webhook(webhook_of(messages=many))).status == 200
    [shown] = await everything(backend, f"/tenants/{tenant}/conversations")
    assert shown["unread"] == 100


async def test_conversations_come_newest_first_page_by_page(backend: Any, say: Any) -> None:
    """Over several hours, some of them with many, and with equal times."""
    tenant = await backend.register()
    hours = [0, 0, 0, 0, 0, 1, 1, 3, 3, 3, 26, 50, 50]
    start = datetime.now(UTC) - timedelta(days=3)
    said: dict[str, datetime] = {}
    for number, hour in enumerate(hours):
        sender = f"9191111111{number:02}"
        said["+" + sender] = start + timedelta(hours=hour, seconds=7 * (number % 3))
        await say(sender, f"from {sender}", at=said["+" + sender])
    expected = sorted((int(at.timestamp()) for at in said.values()), reverse=True)
    for limit in (1, 2, 3, 5, 12, 13, 14, 100):
        found = await everything(backend, f"/tenants/{tenant}/conversations", limit=limit)
        numbers = [one["customer"]["waId"] for one in found]
        assert sorted(numbers) == sorted(said), limit
        assert [int(said[number].timestamp()) for number in numbers] == expected
    await say("919111111103", "again")
    [first] = (
        await backend.call("GET", f"/tenants/{tenant}/conversations", params={"limit": 1})
    ).body["items"]
    assert first["customer"]["waId"] == "+919111111103"


async def test_messages_of_one_conversation_newest_first(backend: Any, say: Any) -> None:
    tenant = await backend.register(settings={"autoReply": {"enabled": False}})
    for number in range(7):
        await say("919111111111", f"ours {number}")
        await say("919222222222", f"theirs {number}")
    sent = await backend.sent(tenant, to="+919111111111", text="answer")
    conversation = (await backend.message(tenant, sent))["conversationId"]
    path = f"/tenants/{tenant}/conversations/{conversation}/messages"
    for limit in (1, 3, 8, 9):
        found = await everything(backend, path, limit=limit)
        expected = ["answer", *(f"ours {number}" for number in reversed(range(7)))]
        assert [one["body"] for one in found] == expected


async def test_customers_the_last_met_first(backend: Any, say: Any) -> None:
    tenant = await backend.register()
    for number in range(5):
        await say(f"91911111110{number}", "hi")
    await backend.sent(tenant, to="+919012345678")
    await say("919111111100", "again")
    for limit in (2, 6, 50):
        found = await everything(backend, f"/tenants/{tenant}/customers", limit=limit)
        numbers = [one["waId"] for one in found]
        assert numbers == ["+919012345678", *(f"+91911111110{n}" for n in reversed(range(5)))]
    assert found[0]["lastSeenAt"] is None
    assert found[1]["lastSeenAt"] is not None
    assert {one["customerId"] for one in found} == {one["conversationId"] for one in found}


async def test_nothing_of_another_tenant_is_shown(backend: Any, say: Any) -> None:
    ours = await backend.register()
    theirs = await backend.register("222222222222222")
    await say("919111111111", "secret")
    [shown] = await everything(backend, f"/tenants/{ours}/conversations")
    conversation = shown["conversationId"]
    for path in ("conversations", "customers"):
        assert await everything(backend, f"/tenants/{theirs}/{path}") == []
    for method, end in (("GET", ""), ("GET", "/messages"), ("POST", "/read")):
        path = f"/tenants/{theirs}/conversations/{conversation}{end}"
        answer = await backend.call(method, path)
        assert (answer.status, answer.code) == (404, "conversation_not_found")
    assert (await everything(backend, f"/tenants/{ours}/conversations"))[0]["readAt"] is None


@pytest.mark.parametrize("path", ["conversations", "customers", "conversations/{}/messages"])
@pytest.mark.parametrize("cursor", ["nonsense", "AAAA", "f" + "_" * 26, "_" * 64])
async def test_a_cursor_that_is_none_of_ours_is_refused(
    backend: Any, say: Any, path: str, cursor: str
) -> None:
    tenant = await backend.register()
    await say("919111111111", "hi")
    [shown] = await everything(backend, f"/tenants/{tenant}/conversations")
    answer = await backend.call(
        "GET",
        f"/tenants/{tenant}/{path.format(shown['conversationId'])}",
        params={"cursor": cursor},
    )
    assert (answer.status, answer.code) in {(400, "bad_cursor"), (200, None)}
    if path == "conversations":
        assert answer.status == 400


async def test_lists_of_a_tenant_that_is_not_there(backend: Any) -> None:
    for path in ("conversations", "customers"):
        answer = await backend.call("GET", f"/tenants/{'0' * 24}/{path}")
        assert (answer.status, answer.code) == (404, "tenant_not_found")


async def test_a_second_message_within_the_hour_leaves_the_index_alone(
    mongo: Mongo, database: Any
) -> None:
    """`activeHour` moves with the hour and never back, whatever order messages come in."""
    conversations = ConversationRepository(mongo.database)
    await conversations.ensure_indexes()
    tenant, one = ObjectId(), ObjectId()

    async def said(minutes: float, text: str) -> dict[str, Any]:
        at = NOW + timedelta(minutes=minutes)
        await conversations.record([Turn(tenant, one, at, text, inbound=True)])
        found = await database.conversations.find_one({"_id": one})
        return dict(found)

    first = await said(0, "first")
    assert first["activeHour"] == datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert (await said(20, "second"))["activeHour"] == first["activeHour"]
    assert (await said(40, "third"))["activeHour"] == datetime(2026, 11, 20, 13, tzinfo=UTC)
    late = await said(-300, "late")
    assert late["activeHour"] == datetime(2026, 11, 20, 13, tzinfo=UTC)
    assert late["lastMessage"]["preview"] == "third"


async def test_lists_read_no_more_than_they_show(
    backend: Any, text_message: Any, webhook_of: Any, database: Any
) -> None:
    """Whatever else the tenant has; MongoDB's profiler counts what each query looked at."""
    tenant = await backend.register(settings={"autoReply": {"enabled": False}})
    other = [text_message("hi", sender=f"91911111{number:04}") for number in range(400)]
    ours = [text_message(f"{number}", sender="919222222222") for number in range(60)]
    mixed = [one for pair in zip(other[:60], ours, strict=True) for one in pair]
    for some in (mixed, other[60:]):
        assert (await backend.webhook(webhook_of(messages=some))).status == 200
    await database.command("profile", 2)
    try:
        [customer] = [
            one
            for one in await everything(backend, f"/tenants/{tenant}/customers", limit=100)
            if one["waId"] == "+919222222222"
        ]
        path = f"/tenants/{tenant}/conversations/{customer['conversationId']}"
        found = await everything(backend, f"{path}/messages", limit=20)
        assert len(found) == 60
        assert (await backend.call("GET", path)).body["unread"] == 60
        await backend.call("POST", f"{path}/read")
        assert (await backend.call("GET", path)).body["unread"] == 0
    finally:
        await database.command("profile", 0)
    profile = database["system.profile"].find({"appName": "manyline api", "op": "query"})
    for query in [one async for one in profile]:
        assert "COLLSCAN" not in query["planSummary"]
        assert not query.get("hasSortStage"), query["command"]
        assert query["docsExamined"] <= query["nreturned"], query["command"]


async def test_a_page_of_a_busy_hour_brings_no_more_than_itself(
    backend: Any, mongo: Mongo, database: Any
) -> None:
    """However many conversations the hour has: the server picks the newest `limit + 1`.

    To pick them it looks at all of the hour, so `docsExamined` is not bounded by the page; what
    comes here, and what it holds in memory to sort, is.
    """
    tenant = ObjectId(await backend.register())
    conversations = ConversationRepository(mongo.database)
    turns = [
        Turn(tenant, ObjectId(), NOW + timedelta(seconds=n % 1500), "hi", inbound=True)
        for n in range(1_000)
    ]
    old = [Turn(tenant, ObjectId(), NOW - timedelta(hours=n), "hi", inbound=True) for n in (3, 5)]
    await conversations.record(turns + old, first_met={one.conversation_id for one in turns})
    order = sorted(turns + old, key=lambda one: (one.at, one.conversation_id), reverse=True)
    await database.command("profile", 2)
    try:
        for limit, pages in ((10, 3), (300, 4)):
            listed: list[ObjectId] = []
            cursor = None
            for _ in range(pages):
                page = await conversations.list_page(tenant, limit=limit, cursor=cursor)
                listed += [one.id for one in page.items]
                cursor = page.next_cursor
            assert listed == [one.conversation_id for one in order][: limit * pages]
        assert cursor is None
    finally:
        await database.command("profile", 0)
    answered = [
        one["nreturned"]
        async for one in database["system.profile"].find(
            {"ns": f"{database.name}.conversations", "op": {"$in": ["query", "getmore"]}}
        )
    ]
    assert answered
    assert max(answered) <= 301
    assert sum(answered) <= 3 * 12 + 4 * 302


@pytest.mark.parametrize(
    ("collection", "query", "sort", "index"),
    [
        ("conversations", {}, {"activeHour": -1}, "active"),
        ("conversations", {"activeHour": {"$lte": NOW}}, {"activeHour": -1}, "active"),
        ("customers", {}, {"_id": -1}, "newest"),
    ],
)
async def test_lists_read_an_index_and_sort_nothing(  # noqa: PLR0917
    backend: Any, database: Any, collection: str, query: Any, sort: Any, index: str
) -> None:
    """`backend` has made the indexes."""
    query = {"tenantId": ObjectId(), **query}
    plan = await database[collection].find(query).sort(sort).explain()
    stages = str(plan["queryPlanner"]["winningPlan"])
    assert f"'indexName': '{index}'" in stages
    assert "'SORT'" not in stages
    assert "COLLSCAN" not in stages
