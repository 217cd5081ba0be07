"""Accepting sends: one key is one message, whoever races for it; pages of what was accepted."""

import asyncio
import json
from typing import Any

import pytest


async def test_the_same_key_and_body_get_the_first_answer_again(open_backend: Any) -> None:
    backend = await open_backend()
    tenant_id = await backend.register()
    first = await backend.send(tenant_id, idempotency_key="order-1")
    for to in ("+919012345678", "919012345678", "+91 90123-45678"):
        again = await backend.send(tenant_id, to=to, idempotency_key="order-1")
        assert (again.status, again.body) == (200, first.body)
        assert again.headers["Idempotent-Replayed"] == "true"
    assert len(await backend.messages(tenant_id)) == 1


@pytest.mark.parametrize("change", [{"text": "other"}, {"to": "+919012345679"}])
async def test_the_same_key_for_another_message_is_a_conflict(
    open_backend: Any, change: dict[str, str]
) -> None:
    backend = await open_backend()
    tenant_id = await backend.register()
    await backend.sent(tenant_id, idempotency_key="order-1")
    answer = await backend.send(tenant_id, idempotency_key="order-1", **change)
    assert (answer.status, answer.code) == (422, "idempotency_conflict")
    assert len(await backend.messages(tenant_id)) == 1


async def test_fifty_racers_over_two_processes_get_one_message_and_one_answer(
    open_backend: Any,
) -> None:
    one, two = await open_backend(), await open_backend()
    tenant_id = await one.register()
    answers = await asyncio.gather(
        *(
            (one, two)[n % 2].send(tenant_id, idempotency_key="race", to="+91 9012345678")
            for n in range(50)
        )
    )
    assert {answer.status for answer in answers} == {200}
    assert len({json.dumps(answer.body, sort_keys=True) for answer in answers}) == 1
    replayed = [answer for answer in answers if "Idempotent-Replayed" in answer.headers]
    assert len(replayed) == 49
    [message] = await one.messages(tenant_id)
    assert message["messageId"] == answers[0].body["messageId"]


async def test_racers_with_two_bodies_one_body_wins(open_backend: Any) -> None:
    backend = await open_backend()
    tenant_id = await backend.register()
    answers = await asyncio.gather(
        *(backend.send(tenant_id, idempotency_key="race", text=f"{n % 2}") for n in range(40))
    )
    assert sorted({answer.status for answer in answers}) == [200, 422]
    assert sum(answer.status == 200 for answer in answers) == 20
    assert len(await backend.messages(tenant_id)) == 1


async def test_a_key_is_one_tenants_own(open_backend: Any) -> None:
    backend = await open_backend()
    one, two = await backend.register("111111"), await backend.register("222222")
    first = await backend.sent(one, idempotency_key="order-1")
    second = await backend.sent(two, idempotency_key="order-1", text="other")
    assert first != second
    foreign = await backend.call("GET", f"/tenants/{two}/messages/{first}")
    assert (foreign.status, foreign.code) == (404, "message_not_found")


async def test_without_a_key_one_is_made_and_returned(open_backend: Any) -> None:
    backend = await open_backend()
    tenant_id = await backend.register()
    answers = [await backend.send(tenant_id) for _ in range(3)]
    keys = {answer.body["idempotency_key"] for answer in answers}
    assert len(keys) == len({answer.body["messageId"] for answer in answers}) == 3
    again = await backend.send(tenant_id, idempotency_key=answers[0].body["idempotency_key"])
    assert again.body == answers[0].body


UNSENDABLE: list[tuple[dict[str, Any], str, str]] = [
    ({"idempotency_key": "auto-reply:wamid.1"}, "reserved_idempotency_key", "idempotency_key"),
    ({"idempotency_key": ""}, "invalid_request", "idempotency_key"),
    ({"idempotency_key": "k" * 257}, "invalid_request", "idempotency_key"),
    ({"to": "hello"}, "bad_recipient", "to"),
    ({"to": "+1"}, "bad_recipient", "to"),
    ({"to": "+999999999999999"}, "bad_recipient", "to"),
    ({"to": 919012345678}, "invalid_request", "to"),
    ({"text": ""}, "invalid_request", "text"),
    ({"text": "x" * 4097}, "invalid_request", "text"),
    ({"text": "\N{SMILING FACE WITH SUNGLASSES}" * 4097}, "invalid_request", "text"),
    ({"text": "\ud800"}, "invalid_request", "text"),
    ({"text": None}, "invalid_request", "text"),
    ({"biz_opaque_callback_data": "mine"}, "invalid_request", "biz_opaque_callback_data"),
    ({"txet": "typo"}, "invalid_request", "txet"),
]


async def test_what_cannot_be_sent_is_refused_and_not_stored(open_backend: Any) -> None:
    backend = await open_backend()
    tenant_id = await backend.register()
    for change, code, field in UNSENDABLE:
        answer = await backend.send(tenant_id, **change)
        assert (answer.status, answer.code) == (422, code), change
        assert [error["field"] for error in answer.body["errors"]] == [field]
        assert field in answer.body["detail"], answer.body
    by_header = await backend.call(
        "POST",
        f"/tenants/{tenant_id}/send",
        json={"to": "+919012345678", "text": "hello"},
        headers={"Idempotency-Key": "auto-reply:wamid.1"},
    )
    assert (by_header.status, by_header.code) == (422, "reserved_idempotency_key")
    assert await backend.messages(tenant_id) == []
    assert (await backend.send(tenant_id, text="x" * 4096)).status == 200


async def test_one_that_cannot_be_stored_harms_no_other(open_backend: Any) -> None:
    """They share a write."""
    backend = await open_backend()
    tenant_id = await backend.register()
    poison = [{"text": "\ud800"}, {"idempotency_key": "\ud800"}, {"to": "\ud800"}]
    answers = await asyncio.gather(
        *(backend.send(tenant_id, text=f"{n}") for n in range(50)),
        *(backend.send(tenant_id, **each) for each in poison),
    )
    assert [answer.status for answer in answers[:50]] == [200] * 50
    assert [answer.status for answer in answers[50:]] == [422] * 3
    assert len(await backend.messages(tenant_id)) == 50


@pytest.mark.parametrize("status", ["paused", "closed"])
async def test_a_tenant_that_is_not_active_takes_no_sends(open_backend: Any, status: str) -> None:
    backend = await open_backend()
    tenant_id = await backend.register()
    assert (await backend.patch(tenant_id, status=status)).status == 200
    answer = await backend.send(tenant_id)
    assert (answer.status, answer.code) == (409, "tenant_not_active")
    assert status in answer.body["detail"]
    assert await backend.messages(tenant_id) == []


async def test_pages_newest_first_each_message_once(open_backend: Any) -> None:
    backend = await open_backend()
    tenant_id = await backend.register()
    other = await backend.register("222222")
    await backend.sent(other)
    ids = [await backend.sent(tenant_id, text=f"{n}") for n in range(7)]
    seen: list[str] = []
    sizes: list[int] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = await backend.call("GET", f"/tenants/{tenant_id}/messages", params=query)
        seen += [item["messageId"] for item in page.body["items"]]
        sizes.append(len(page.body["items"]))
        cursor = page.body["nextCursor"]
        if cursor is None:
            break
        assert "=" not in cursor
        # What comes meanwhile does not shift the pages.
        await backend.sent(tenant_id, text="meanwhile")
        query["cursor"] = cursor
    assert seen == ids[::-1]
    assert sizes == [3, 3, 1]


async def test_a_last_page_that_is_full_has_no_next(open_backend: Any) -> None:
    backend = await open_backend()
    tenant_id = await backend.register()
    await asyncio.gather(*(backend.sent(tenant_id, text=f"{n}") for n in range(4)))
    page = await backend.call("GET", f"/tenants/{tenant_id}/messages?limit=4")
    assert (len(page.body["items"]), page.body["nextCursor"]) == (4, None)
    tenants = await backend.call("GET", "/tenants?limit=1")
    assert (len(tenants.body["items"]), tenants.body["nextCursor"]) == (1, None)


async def test_a_message_shows_what_the_conventions_promise(open_backend: Any) -> None:
    backend = await open_backend()
    tenant_id = await backend.register()
    message = await backend.message(tenant_id, await backend.sent(tenant_id))
    wanted = {"messageId", "direction", "status", "body", "type", "waMessageId", "idempotencyKey"}
    assert wanted | {"statusAt"} <= message.keys()
    assert message["statusAt"].keys() == {"queued"}
    assert message["statusAt"]["queued"].endswith("Z")
    assert message["waMessageId"] is None
    assert message["error"] is None


async def test_the_key_may_come_as_a_header(backend: Any) -> None:
    tenant_id = await backend.register()
    path, given = f"/tenants/{tenant_id}/send", {"to": "+919012345678", "text": "hello"}
    headers = {"Idempotency-Key": "H1"}
    first = await backend.call("POST", path, json=given, headers=headers)
    again = await backend.call("POST", path, json=given, headers=headers)
    assert first.status == again.status == 200
    assert first.body == again.body == {**first.body, "idempotency_key": "H1"}
    assert again.headers["Idempotent-Replayed"] == "true"
    both = {**given, "idempotency_key": "H2"}
    refused = await backend.call("POST", path, json=both, headers=headers)
    assert (refused.status, refused.code) == (422, "idempotency_keys_differ")


async def test_a_repeated_key_keeps_its_answer_while_the_tenant_is_paused(backend: Any) -> None:
    tenant_id = await backend.register()
    first = await backend.send(tenant_id, idempotency_key="once")
    await backend.patch(tenant_id, status="paused")
    again = await backend.send(tenant_id, idempotency_key="once")
    assert (again.status, again.body) == (200, first.body)
    other = await backend.send(tenant_id, idempotency_key="once", text="something else")
    assert (other.status, other.code) == (422, "idempotency_conflict")
    new = await backend.send(tenant_id)
    assert (new.status, new.code) == (409, "tenant_not_active")
