"""A message that is taken, a message that is refused, and what the journal says of both."""

import asyncio
import json
import time
from typing import Any

import pytest

from graphsim.identifiers import user_id_of
from graphsim.simulator import Simulator

from .conftest import Caller, Receiver, eventually


async def test_a_message_is_taken_and_its_three_statuses_come_signed_and_in_order(
    caller: Caller, receiver: Receiver
) -> None:
    async with caller.send(text={"body": "né/😀"}, biz_opaque_callback_data="m/é") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json; charset=UTF-8"
        answer = await response.json()
    wamid = answer["messages"][0]["id"]
    assert wamid.startswith("wamid.")
    assert answer == {
        "messaging_product": "whatsapp",
        "contacts": [{"input": "+919012345678", "wa_id": "919012345678"}],
        "messages": [{"id": wamid}],
    }

    await receiver.until(lambda: len(receiver.posts) == 3)

    assert all(post.signed for post in receiver.posts)
    assert all(post.content_type == "application/json" for post in receiver.posts)
    assert b'"biz_opaque_callback_data":"m\\/\\u00e9"' in receiver.posts[0].raw
    assert receiver.status_names() == ["sent", "delivered", "read"]
    sent, delivered, read = receiver.all("statuses")
    known_by = user_id_of("111", "919012345678")
    contact = {"wa_id": "919012345678", "user_id": known_by}
    assert receiver.all("contacts") == [contact] * 3
    for status in (sent, delivered, read):
        assert status["recipient_user_id"] == known_by
        assert status["id"] == wamid
        assert status["recipient_id"] == "919012345678"
        assert status["biz_opaque_callback_data"] == "m/é"
        assert abs(int(status["timestamp"]) - time.time()) < 10
    assert sent["conversation"]["id"] == delivered["conversation"]["id"]
    assert "pricing" in sent
    assert "pricing" in delivered
    assert "pricing" not in read
    change = receiver.posts[0].body["entry"][0]["changes"][0]
    assert change["field"] == "messages"
    assert change["value"]["metadata"]["phone_number_id"] == "111"


async def test_the_journal_tells_all_of_a_taken_message(
    caller: Caller, simulator: Simulator
) -> None:
    before = time.time()
    wamid = await caller.sent(biz_opaque_callback_data="m1")
    await eventually(lambda: simulator.journal.entries[0].answered)

    journal = await caller.control("GET", "/journal")

    [entry] = journal["entries"]
    assert before - 1 <= entry.pop("at") <= time.time() + 1
    assert entry == {
        "seq": 1,
        "phone_number_id": "111",
        "to": "+919012345678",
        "type": "text",
        "body": "hello",
        "biz_opaque_callback_data": "m1",
        "outcome": "accepted",
        "fault": None,
        "code": None,
        "wamid": wamid,
        "http_status": 200,
        "answered": True,
    }
    assert journal["counts"] == {"posts": 1, "answered": 1, "accepted": 1}


async def test_the_journal_is_filtered_summed_up_and_emptied(caller: Caller) -> None:
    for index in range(6):
        await caller.sent(number=str(index % 2), biz_opaque_callback_data=f"m{index % 5}")

    listed = await caller.control("GET", "/journal?since=1&phone_number_id=1&limit=2")
    assert [entry["seq"] for entry in listed["entries"]] == [2, 4]
    assert await caller.control("GET", "/journal/summary") == {
        "posts": 6,
        "accepted": 6,
        "distinct_opaque": 5,
        "doubled": ["m0"],
        "doubled_accepted": ["m0"],
        "by_number": {"0": 3, "1": 3},
    }

    await caller.control("DELETE", "/journal")
    assert (await caller.control("GET", "/journal"))["entries"] == []


async def test_a_business_scoped_user_gets_statuses_without_a_number(
    caller: Caller, receiver: Receiver
) -> None:
    async with caller.send(to=None, recipient="CC.abc") as response:
        answer = await response.json()
    assert answer["contacts"] == [{"input": "CC.abc", "user_id": "CC.abc"}]

    await receiver.until(lambda: len(receiver.posts) == 3)
    status = receiver.all("statuses")[0]
    assert status["recipient_user_id"] == "CC.abc"
    assert "recipient_id" not in status


@pytest.mark.parametrize(
    ("changes", "http_status", "code"),
    [
        ({"token": None}, 401, 190),
        ({"token": "EAAG-revoked"}, 401, 190),
        ({"messaging_product": "sms"}, 400, 100),
        ({"text": {"body": "x" * 4097}}, 400, 100),
        ({"to": None}, 400, 131008),
        ({"type": "telegram"}, 400, 131051),
    ],
)
async def test_a_refusal_has_metas_shape_no_wamid_and_no_status(
    caller: Caller, receiver: Receiver, changes: dict[str, Any], http_status: int, code: int
) -> None:
    simulator = caller.simulator
    await caller.control("POST", "/settings", {"bad_tokens": ["EAAG-revoked"]})
    async with caller.send(**changes) as response:
        assert response.status == http_status
        error = (await response.json())["error"]
    assert error["code"] == code
    assert error["type"] == "OAuthException"
    assert error["message"].startswith(f"(#{code}) ")
    assert error["error_data"]["messaging_product"] == "whatsapp"
    assert error["fbtrace_id"]

    [entry] = simulator.journal.entries
    assert (entry.outcome, entry.code, entry.wamid) == ("error", code, None)
    assert simulator.webhooks.pending == 0
    assert receiver.posts == []


async def test_a_token_must_begin_as_demanded(caller: Caller) -> None:
    await caller.control("POST", "/settings", {"token_prefix": "EAAG-"})
    await caller.sent(token="EAAG-good")
    async with caller.send(token="mock_token") as response:
        assert response.status == 401


async def test_a_number_can_be_looked_at_for_a_token_check(caller: Caller) -> None:
    url = f"{caller.simulator.base_url}/v26.0/111"
    async with caller.session.get(url, headers={"Authorization": "Bearer t"}) as response:
        assert response.status == 200
        number = await response.json()
    assert number["id"] == "111"
    assert set(number) == {"id", "display_phone_number", "verified_name", "quality_rating"}
    async with caller.session.get(url) as response:
        assert response.status == 401
        assert (await response.json())["error"]["code"] == 190


async def test_an_unknown_path_is_graphs_own_error(caller: Caller) -> None:
    async with caller.session.get(f"{caller.simulator.base_url}/v26.0/111/nothing") as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == 2500


async def test_latency_holds_the_answer_and_the_statuses_wait_for_it(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    await caller.control("POST", "/settings", {"latency_seconds": 0.25})
    sending = asyncio.create_task(caller.sent())
    await eventually(lambda: len(simulator.journal.entries) == 1)
    assert simulator.journal.entries[0].outcome == "accepted"
    assert not simulator.journal.entries[0].answered
    assert receiver.posts == []
    await sending
    await receiver.until(lambda: len(receiver.posts) == 3)


async def test_thousands_of_entries_are_listed_whole(caller: Caller, simulator: Simulator) -> None:
    for index in range(20_000):
        simulator.journal.record(
            at=0.0,
            phone_number_id="1",
            to="+919",
            type="text",
            body="\ud800" if index == 7 else "hi",
            biz_opaque_callback_data=str(index),
            outcome="accepted",
            wamid=f"wamid.{index}",
        )
    url = f"{simulator.base_url}/_sim/journal"
    async with caller.session.get(url) as response:
        listed = json.loads(await response.read())
    assert [entry["seq"] for entry in listed["entries"]] == list(range(1, 20_001))
    assert listed["counts"]["posts"] == 20_000


async def test_what_the_simulator_does_not_understand_is_400_with_a_reason(
    caller: Caller,
) -> None:
    for path, body in [
        ("/settings", {"nonsense": 1}),
        ("/faults", [{"fault": "explode"}]),
        ("/inbound", {"phone_number_id": "1"}),
    ]:
        url = f"{caller.simulator.base_url}/_sim{path}"
        async with caller.session.post(url, json=body) as response:
            assert response.status == 400
            assert (await response.json())["error"]
    async with caller.session.post(url, data=b"{") as response:
        assert response.status == 400
