"""Dead letters and doubts: listed, replayed, marked; every answer says what really happened."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

BEGAN = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
CONTENT_ERROR = {"kind": "error", "code": 131009}


@pytest.fixture(autouse=True)
def impatient_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is overdue for five seconds in production is so here after a third of one."""
    monkeypatch.setattr("manyline.sending.relay.OVERDUE", timedelta(seconds=0.3))


async def set_in_trouble(
    database: Any,
    message_id: str,
    status: str,
    *,
    began: datetime = BEGAN,
    lease_until: datetime | None = None,
    code: int | None = None,
) -> None:
    """As a settlement leaves it."""
    error = {"title": "x"} if code is None else {"title": "x", "code": code}
    fields: dict[str, Any] = {
        "status": status,
        "statusRank": {"failed": 4, "in_doubt": 2}[status],
        f"statusAt.{status}": began,
        "troubleAt": began,
        "attempts": 1,
        "error": error,
    }
    if lease_until is not None:
        fields["lease"] = {"owner": "w/1", "expiresAt": lease_until}
    await database.messages.update_one(
        {"_id": ObjectId(message_id)}, {"$set": fields, "$unset": {"dueAt": ""}}
    )


async def troubled(backend: Any, database: Any, tenant_id: str, status: str, **more: Any) -> str:
    message_id = str(await backend.sent(tenant_id))
    await set_in_trouble(database, message_id, status, **more)
    return message_id


async def test_a_failed_message_is_replayed_as_a_new_attempt_with_its_past(
    backend: Any, simulator: Any
) -> None:
    tenant_id = await backend.register()
    await backend.start_worker()
    simulator.set_faults({"fault": CONTENT_ERROR, "times": 1})
    message_id = await backend.sent(tenant_id)
    failed = await backend.until_status(tenant_id, message_id, "failed")
    assert failed["error"]["class"] == "content"
    assert failed["error"]["fix"]
    where = f"/tenants/{tenant_id}/messages/{message_id}"
    answer = await backend.call("POST", where + "/replay")
    assert (answer.status, answer.body["status"], answer.body["error"]) == (200, "queued", None)
    read = await backend.until_status(tenant_id, message_id, "read")
    events = [entry["event"] for entry in read["timeline"]]
    assert events == [
        *("accepted", "claimed", "failed", "replayed"),
        *("claimed", "sent", "delivered", "read"),
    ]
    told = read["timeline"][2]
    assert told["code"] == 131009
    assert told["fbtraceId"]
    assert [entry["attempt"] for entry in read["timeline"] if "attempt" in entry] == [1, 1, 2]
    times = [entry["at"] for entry in read["timeline"]]
    assert times == sorted(times)
    assert [entry.outcome for entry in simulator.journal.entries] == ["error", "accepted"]
    again = await backend.call("POST", where + "/replay")
    assert (again.status, again.code) == (409, "not_replayable")
    assert again.body["messageStatus"] == "read"
    assert "it is read" in again.body["detail"]


async def test_a_replay_has_a_fresh_life_and_all_its_attempts(
    open_backend: Any, simulator: Any, database: Any
) -> None:
    backend = await open_backend(
        graph_base_url=simulator.base_url, message_expiry_seconds=3600, app_secret=None
    )
    tenant_id = await backend.register()
    message_id = await troubled(backend, database, tenant_id, "failed", code=131016)
    aged = {"createdAt": BEGAN, "statusAt.queued": BEGAN, "attempts": 5}
    await database.messages.update_one({"_id": ObjectId(message_id)}, {"$set": aged})
    simulator.set_faults({"fault": {"kind": "error", "code": 131016}, "times": 4})
    answer = await backend.call("POST", f"/tenants/{tenant_id}/messages/{message_id}/replay")
    assert answer.status == 200
    stored = await database.messages.find_one({"_id": ObjectId(message_id)})
    assert stored["expiresAt"] - stored["dueAt"] == timedelta(hours=1)
    await backend.start_worker()
    sent = await backend.until_status(tenant_id, message_id, "sent", "delivered", "read")
    assert sent["attempts"] == 10


async def test_of_twenty_who_replay_one_wins_and_one_post_is_made(
    backend: Any, simulator: Any, database: Any
) -> None:
    tenant_id = await backend.register()
    await backend.start_worker()
    simulator.set_faults({"fault": CONTENT_ERROR, "times": 1})
    message_id = await backend.sent(tenant_id)
    await backend.until_status(tenant_id, message_id, "failed")
    simulator.journal.clear()
    one = f"/tenants/{tenant_id}/messages/{message_id}/replay"
    many = f"/tenants/{tenant_id}/dead-letters/replay"
    answers = await asyncio.gather(
        *(backend.call("POST", one) for _ in range(10)),
        *(backend.call("POST", many, json={"messageIds": [message_id]}) for _ in range(10)),
    )
    singles, bulks = answers[:10], [answer.body for answer in answers[10:]]
    assert {answer.status for answer in singles} <= {200, 409}
    won = sum(answer.status == 200 for answer in singles) + sum(b["replayed"] for b in bulks)
    assert won == 1
    lost = [answer.code for answer in singles if answer.status == 409]
    lost += [b["results"][0]["outcome"] for b in bulks if not b["replayed"]]
    assert lost == ["not_replayable"] * 19
    await backend.until_status(tenant_id, message_id, "read")
    assert len(simulator.journal.entries) == 1


async def test_each_of_many_is_told_what_really_happened(backend: Any, database: Any) -> None:
    tenant_id, other = await backend.register(), await backend.register("222222")
    soon = (datetime.now(UTC) + timedelta(seconds=20)).replace(microsecond=0)
    dead = await troubled(backend, database, tenant_id, "failed")
    leased = await troubled(backend, database, tenant_id, "failed", lease_until=soon)
    doubt = await troubled(backend, database, tenant_id, "in_doubt")
    queued = await backend.sent(tenant_id)
    foreign = await troubled(backend, database, other, "failed")
    unknown = str(ObjectId())
    answer = await backend.call(
        "POST",
        f"/tenants/{tenant_id}/dead-letters/replay",
        json={"messageIds": [dead, leased, doubt, queued, foreign, unknown, dead]},
    )
    assert answer.status == 200
    assert (answer.body["ok"], answer.body["replayed"], answer.body["more"]) == (True, 1, False)
    results = answer.body["results"]
    assert [(one["messageId"], one["outcome"], one["status"]) for one in results] == [
        (dead, "queued", "queued"),
        (leased, "call_may_be_under_way", "failed"),
        (doubt, "not_replayable", "in_doubt"),
        (queued, "not_replayable", "queued"),
        (foreign, "not_found", None),
        (unknown, "not_found", None),
    ]
    assert results[1]["retryAt"] == soon.isoformat().replace("+00:00", ".000Z")
    assert "in_doubt, not failed" in results[2]["detail"]
    assert "queued already" in results[3]["detail"]
    single = await backend.call("POST", f"/tenants/{tenant_id}/messages/{leased}/replay")
    assert (single.status, single.code) == (409, "call_may_be_under_way")
    assert single.body["retryAt"] == results[1]["retryAt"]
    for path in (f"/tenants/{tenant_id}/messages/{foreign}", f"/tenants/{other}/messages/{dead}"):
        for deed in ("replay", "mark-sent"):
            strange = await backend.call("POST", f"{path}/{deed}")
            assert (strange.status, strange.code) == (404, "message_not_found")
    assert (await backend.message(other, foreign))["status"] == "failed"


async def test_a_filter_replays_what_matches_the_longest_in_trouble_first(
    backend: Any, simulator: Any, database: Any
) -> None:
    tenant_id, other = await backend.register(), await backend.register("222222")
    ids = [
        await troubled(
            backend,
            database,
            tenant_id,
            "failed",
            began=BEGAN + timedelta(minutes=n),
            code=131009 if n % 2 else 131026,
        )
        for n in range(8)
    ]
    foreign = await troubled(backend, database, other, "failed", code=131009)
    doubt = await troubled(backend, database, tenant_id, "in_doubt")
    where = f"/tenants/{tenant_id}/dead-letters/replay"
    since = (BEGAN + timedelta(minutes=3)).isoformat()
    given = {"filter": {"code": 131009, "since": since}, "limit": 2}
    first = (await backend.call("POST", where, json=given)).body
    assert [one["messageId"] for one in first["results"]] == [ids[3], ids[5]]
    assert (first["replayed"], first["more"]) == (2, True)
    rest = (await backend.call("POST", where, json=given)).body
    assert [one["messageId"] for one in rest["results"]] == [ids[7]]
    assert (rest["replayed"], rest["more"]) == (1, False)
    everything = (await backend.call("POST", where, json={"filter": {}})).body
    assert [one["messageId"] for one in everything["results"]] == [ids[n] for n in (0, 1, 2, 4, 6)]
    again = (await backend.call("POST", where, json={"filter": {}})).body
    assert again == {"ok": True, "replayed": 0, "results": [], "more": False}
    assert (await backend.message(other, foreign))["status"] == "failed"
    assert (await backend.message(tenant_id, doubt))["status"] == "in_doubt"
    await backend.start_worker()
    for message_id in ids:
        await backend.until_status(tenant_id, message_id, "read")
    # To one recipient they go as they were accepted, whenever they failed.
    order = [entry.biz_opaque_callback_data for entry in simulator.journal.entries]
    assert order == ids


async def test_a_doubt_is_marked_as_sent_and_sends_nothing(
    backend: Any, simulator: Any, database: Any
) -> None:
    tenant_id = await backend.register()
    later = datetime.now(UTC) + timedelta(seconds=20)
    one, two, three = [
        await troubled(backend, database, tenant_id, "in_doubt", lease_until=later)
        for _ in range(3)
    ]
    dead = await troubled(backend, database, tenant_id, "failed")
    answer = await backend.call("POST", f"/tenants/{tenant_id}/messages/{one}/mark-sent")
    assert (answer.status, answer.body["status"], answer.body["error"]) == (200, "sent", None)
    assert answer.body["timeline"][-1]["event"] == "marked_sent"
    refused = await backend.call("POST", f"/tenants/{tenant_id}/messages/{dead}/mark-sent")
    assert (refused.status, refused.code) == (409, "not_in_doubt")
    assert refused.body["messageStatus"] == "failed"
    where = f"/tenants/{tenant_id}/in-doubt/mark-sent"
    some = (await backend.call("POST", where, json={"messageIds": [one, two, dead]})).body
    assert [(each["outcome"], each["status"]) for each in some["results"]] == [
        ("not_in_doubt", "sent"),
        ("marked_sent", "sent"),
        ("not_in_doubt", "failed"),
    ]
    assert some["markedSent"] == 1
    rest = (await backend.call("POST", where, json={"filter": {}})).body
    assert [each["messageId"] for each in rest["results"]] == [three]
    assert (await backend.call("GET", f"/tenants/{tenant_id}/in-doubt")).body["items"] == []
    await backend.start_worker()
    last = await backend.sent(tenant_id)
    await backend.until_status(tenant_id, last, "read")
    assert len(simulator.journal.entries) == 1


async def test_a_doubt_is_replayed_once_its_call_is_over(
    backend: Any, simulator: Any, database: Any
) -> None:
    tenant_id = await backend.register()
    past = datetime.now(UTC) - timedelta(seconds=1)
    doubt = await troubled(backend, database, tenant_id, "in_doubt", lease_until=past)
    dead = await troubled(backend, database, tenant_id, "failed")
    answer = await backend.call(
        "POST", f"/tenants/{tenant_id}/in-doubt/replay", json={"messageIds": [doubt, dead]}
    )
    assert [one["outcome"] for one in answer.body["results"]] == ["queued", "not_replayable"]
    await backend.start_worker()
    await backend.until_status(tenant_id, doubt, "read")
    assert [e.biz_opaque_callback_data for e in simulator.journal.entries] == [doubt]


async def test_a_doubt_may_be_replayed_only_when_its_lease_is_over(
    backend: Any, simulator: Any, eventually: Any
) -> None:
    """Graph took it and never answered, and no status came: a person lets it go out again."""
    tenant_id = await backend.register()
    await backend.start_worker()
    simulator.set_faults(
        {"fault": {"kind": "hang", "point": "after_accept"}, "times": 1},
        {"fault": "drop_webhook", "times": 1},
    )
    message_id = await backend.sent(tenant_id)
    doubted = await backend.until_status(tenant_id, message_id, "in_doubt")
    assert "or for a person" in doubted["timeline"][-1]["text"]
    where = f"/tenants/{tenant_id}/messages/{message_id}/replay"
    early = await backend.call("POST", where)
    assert (early.status, early.code) == (409, "call_may_be_under_way")
    retry_at = datetime.fromisoformat(early.body["retryAt"])

    async def replayed() -> bool:
        return bool((await backend.call("POST", where)).status == 200)

    await eventually(replayed)
    assert datetime.now(UTC) >= retry_at
    read = await backend.until_status(tenant_id, message_id, "read")
    events = [entry["event"] for entry in read["timeline"]]
    assert events[:4] == ["accepted", "claimed", "in_doubt", "replayed"]
    outcomes = [entry.outcome for entry in simulator.journal.entries]
    assert outcomes == ["accepted", "accepted"]


@pytest.mark.parametrize("status", ["paused", "closed"])
async def test_nothing_of_a_tenant_that_is_not_active_is_replayed(
    backend: Any, database: Any, status: str
) -> None:
    tenant_id = await backend.register()
    dead = await troubled(backend, database, tenant_id, "failed")
    doubt = await troubled(backend, database, tenant_id, "in_doubt")
    assert (await backend.patch(tenant_id, status=status)).status == 200
    for path, body in [
        (f"messages/{dead}/replay", None),
        ("dead-letters/replay", {"messageIds": [dead]}),
        ("dead-letters/replay", {"filter": {}}),
        ("in-doubt/replay", {"filter": {}}),
    ]:
        answer = await backend.call("POST", f"/tenants/{tenant_id}/{path}", json=body)
        assert (answer.status, answer.code) == (409, "tenant_not_active")
        assert status in answer.body["detail"]
    assert (await backend.message(tenant_id, dead))["status"] == "failed"
    assert (await backend.message(tenant_id, doubt))["status"] == "in_doubt"
    # What somebody knows about the past may be said at any time.
    marked = await backend.call("POST", f"/tenants/{tenant_id}/messages/{doubt}/mark-sent")
    assert (marked.status, marked.body["status"]) == (200, "sent")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messageIds": []},
        {"messageIds": ["nonsense"]},
        {"messageIds": ["0" * 24] * 101},
        {"messageIds": ["0" * 24], "filter": {}},
        {"messageIds": ["0" * 24], "limit": 5},
        {"filter": {"typo": 1}},
        {"filter": {"code": "131009"}},
        {"filter": {"since": "2026-11-20T12:00:00"}},
        {"filter": {}, "limit": 0},
        {"filter": {}, "limit": 1001},
        {"filter": {}, "typo": True},
    ],
)
async def test_an_unclear_wish_touches_nothing(backend: Any, database: Any, body: Any) -> None:
    tenant_id = await backend.register()
    dead = await troubled(backend, database, tenant_id, "failed")
    doubt = await troubled(backend, database, tenant_id, "in_doubt")
    for path in ("dead-letters/replay", "in-doubt/replay", "in-doubt/mark-sent"):
        answer = await backend.call("POST", f"/tenants/{tenant_id}/{path}", json=body)
        assert (answer.status, answer.code) == (422, "invalid_request")
        assert answer.body["errors"]
    assert (await backend.message(tenant_id, dead))["status"] == "failed"
    assert (await backend.message(tenant_id, doubt))["status"] == "in_doubt"


async def test_a_thousand_are_replayed_in_one_request(backend: Any, database: Any) -> None:
    tenant_id = await backend.register()
    first = await troubled(backend, database, tenant_id, "failed")
    like = await database.messages.find_one({"_id": ObjectId(first)})
    copies = [
        {**like, "_id": ObjectId(), "idempotencyKey": f"copy-{n}", "conversationId": ObjectId()}
        for n in range(1000)
    ]
    await database.messages.insert_many(copies)
    where = f"/tenants/{tenant_id}/dead-letters/replay"
    answer = await backend.call("POST", where, json={"filter": {}})
    assert (answer.body["replayed"], answer.body["more"]) == (1000, True)
    assert len({one["messageId"] for one in answer.body["results"]}) == 1000
    queued = await database.messages.count_documents({"status": "queued", "dueAt": {"$exists": 1}})
    assert queued == 1000
    rest = await backend.call("POST", where, json={"filter": {}})
    assert (rest.body["replayed"], rest.body["more"]) == (1, False)
