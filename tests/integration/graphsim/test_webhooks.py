"""Webhooks as the backend receives them: retried, batched, doubled, out of order, left out."""

import asyncio

import aiohttp

from graphsim.identifiers import user_id_of
from graphsim.settings import Settings
from graphsim.simulator import Simulator

from .conftest import APP_SECRET, Caller, Receiver, eventually


async def test_a_webhook_is_tried_again_until_it_is_answered_200(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    receiver.answers = [500, 503]
    await caller.sent()
    await receiver.until(lambda: len(receiver.posts) == 5)
    assert receiver.posts[0].raw == receiver.posts[1].raw == receiver.posts[2].raw
    assert receiver.status_names() == ["sent", "sent", "sent", "delivered", "read"]
    await eventually(lambda: simulator.webhooks.pending == 0)
    counters = await caller.control("GET", "/webhooks")
    assert counters["failed_attempts"] == 2
    assert counters["last_failure"] == "HTTP 503"
    assert (counters["delivered"], counters["posts"], counters["in_flight"]) == (3, 3, 0)


async def test_a_backend_that_is_away_gets_everything_when_it_is_back(
    caller: Caller, simulator: Simulator, receiver: Receiver, unused_tcp_port: int
) -> None:
    simulator.settings.webhook_url = f"http://127.0.0.1:{unused_tcp_port}/webhook"
    await caller.sent()
    await eventually(lambda: simulator.webhooks.failed_attempts > 0)
    assert simulator.webhooks.pending == 3
    simulator.settings.webhook_url = receiver.url
    await receiver.until(lambda: receiver.status_names() == ["sent", "delivered", "read"])


async def test_a_webhook_that_is_never_answered_200_holds_up_no_other(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.settings.webhook_concurrency = 1
    receiver.answers = [401]
    await caller.sent(biz_opaque_callback_data="refused")
    await receiver.until(lambda: len(receiver.posts) == 1)
    await caller.sent(biz_opaque_callback_data="fine")
    await receiver.until(lambda: len(receiver.posts) >= 4)
    order = [status["biz_opaque_callback_data"] for status in receiver.all("statuses")]
    assert order[:4] == ["refused", "fine", "fine", "fine"]


async def test_a_new_secret_signs_from_the_next_try_on(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.settings.app_secret = "an old secret"
    receiver.answers = [401]
    await caller.sent()
    await receiver.until(lambda: len(receiver.posts) == 1)
    simulator.settings.app_secret = APP_SECRET
    await receiver.until(lambda: len(receiver.posts) == 4)
    assert [post.signed for post in receiver.posts] == [False, True, True, True]


async def test_without_a_secret_webhooks_are_unsigned(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.settings.app_secret = None
    await caller.sent()
    await receiver.until(lambda: len(receiver.posts) == 3)
    assert [post.signature for post in receiver.posts] == [None, None, None]


async def test_many_statuses_share_a_post(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    await caller.control(
        "POST", "/settings", {"statuses_per_post": 10, "gather_seconds": 0.02, "status_delay": 0}
    )
    await asyncio.gather(*(caller.sent(number=str(index % 2)) for index in range(25)))
    await eventually(lambda: simulator.webhooks.pending == 0)
    sizes = [len(post.values("statuses")) for post in receiver.posts]
    assert sum(sizes) == 75
    assert max(sizes) == 10
    assert len(sizes) < 30
    seen: dict[str, list[str]] = {}
    for status in receiver.all("statuses"):
        seen.setdefault(status["id"], []).append(status["status"])
    assert list(seen.values()) == [["sent", "delivered", "read"]] * 25
    assert any(len(post.body["entry"]) == 2 for post in receiver.posts)


async def test_no_statuses_when_none_are_wanted(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    await caller.control("POST", "/settings", {"statuses": []})
    await caller.sent()
    assert simulator.webhooks.pending == 0
    await caller.control("POST", "/settings", {"statuses": ["read"]})
    await caller.sent()
    await receiver.until(lambda: len(receiver.posts) == 1)
    assert receiver.status_names() == ["read"]


async def test_duplicate_delivers_each_status_several_times_at_once(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    await caller.faults({"fault": {"kind": "duplicate", "copies": 4, "webhooks": ["sent"]}})
    receiver.gate.clear()
    await caller.sent()
    await receiver.until(lambda: receiver.at_once == 4)
    receiver.gate.set()
    await receiver.until(lambda: len(receiver.posts) == 6)
    assert receiver.status_names() == ["sent"] * 4 + ["delivered", "read"]
    await eventually(lambda: simulator.webhooks.pending == 0)
    assert simulator.webhooks.delivered == 3


async def test_shuffle_delivers_statuses_out_of_order(caller: Caller, receiver: Receiver) -> None:
    await caller.faults({"fault": "shuffle"})
    await caller.sent()
    await receiver.until(lambda: len(receiver.posts) == 3)
    assert receiver.status_names() != ["sent", "delivered", "read"]
    assert sorted(receiver.status_names()) == ["delivered", "read", "sent"]


async def test_drop_webhook_leaves_out_what_it_names(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    await caller.faults({"fault": {"kind": "drop_webhook", "webhooks": ["delivered"]}})
    await caller.sent()
    await receiver.until(lambda: receiver.status_names() == ["sent", "read"])
    await eventually(lambda: simulator.webhooks.pending == 0)
    assert simulator.webhooks.dropped == 1


async def test_early_status_comes_before_the_sends_own_answer(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    await caller.faults({"fault": "early_status"})
    receiver.gate.clear()
    sending = asyncio.create_task(caller.sent())
    await receiver.until(lambda: receiver.status_names() == ["sent"])
    assert not simulator.journal.entries[0].answered
    assert not sending.done()
    receiver.gate.set()
    assert await sending == receiver.all("statuses")[0]["id"]
    await receiver.until(lambda: receiver.status_names() == ["sent", "delivered", "read"])


async def test_early_status_does_not_wait_for_ever(caller: Caller, receiver: Receiver) -> None:
    await caller.faults({"fault": {"kind": "early_status", "seconds": 0.05}})
    receiver.gate.clear()
    await caller.sent()


async def test_a_customers_message_is_delivered_signed(caller: Caller, receiver: Receiver) -> None:
    answer = await caller.control(
        "POST",
        "/inbound",
        {
            "phone_number_id": "111",
            "from": "+919012345678",
            "name": "Asha",
            "text": "hi/é",
            "wait": True,
        },
    )
    [post] = receiver.posts
    assert post.signed
    value = post.body["entry"][0]["changes"][0]["value"]
    known = {"wa_id": "919012345678", "user_id": user_id_of("111", "919012345678")}
    assert value["contacts"] == [{"profile": {"name": "Asha"}, **known}]
    [message] = value["messages"]
    assert message.pop("timestamp").isdecimal()
    assert message == {
        "from": "919012345678",
        "id": answer["wamids"][0],
        "type": "text",
        "text": {"body": "hi/é"},
    }
    assert answer["answers"] == [[200]]


async def test_a_whole_message_object_is_passed_on_as_it_is(
    caller: Caller, receiver: Receiver
) -> None:
    given = {
        "from": "919",
        "id": "wamid.given",
        "timestamp": "5",
        "type": "text",
        "text": {"body": "\ud800", "big": 2**65, "a\0": 1},
    }
    answer = await caller.control(
        "POST", "/inbound", {"phone_number_id": "1", "message": given, "wait": True}
    )
    assert answer["wamids"] == ["wamid.given"]
    assert receiver.all("messages") == [given]


async def test_copies_of_a_customers_message_are_delivered_at_once(
    caller: Caller, receiver: Receiver
) -> None:
    receiver.gate.clear()
    receiver.answers = [200, 500, 200, 200, 200, 200]
    order = {
        "phone_number_id": "1",
        "from": "919",
        "text": "hi",
        "count": 2,
        "copies": 3,
        "wait": True,
    }
    asking = asyncio.create_task(caller.control("POST", "/inbound", order))
    await receiver.until(lambda: receiver.at_once == 6)
    receiver.gate.set()
    answer = await asking
    assert len(set(answer["wamids"])) == 2
    assert sorted(status for copies in answer["answers"] for status in copies) == [
        *[200] * 5,
        500,
    ]
    await receiver.until(lambda: len(receiver.posts) == 7)  # the refused copy comes again
    received = [message["id"] for message in receiver.all("messages")]
    assert set(received) == set(answer["wamids"])


async def test_many_messages_fit_into_one_post_one_change_each(
    caller: Caller, receiver: Receiver
) -> None:
    order = {"phone_number_id": "1", "from": "919", "text": "hi", "count": 250, "per_post": 100}
    answer = await caller.control("POST", "/inbound", order)
    await receiver.until(lambda: len(receiver.posts) == 3)
    changes = [len(post.body["entry"][0]["changes"]) for post in receiver.posts]
    assert sorted(changes) == [50, 100, 100]
    assert {message["id"] for message in receiver.all("messages")} == set(answer["wamids"])


async def test_webhook_faults_strike_a_customers_message_too(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    await caller.faults(
        {"match": {"to": "+911"}, "fault": "drop_webhook"},
        {"match": {"to": "+912"}, "fault": {"kind": "duplicate", "copies": 2}},
    )
    order = {"phone_number_id": "1", "text": "hi", "wait": True}
    dropped = await caller.control("POST", "/inbound", {**order, "from": "+911"})
    doubled = await caller.control("POST", "/inbound", {**order, "from": "+912"})
    assert dropped["answers"] == [[]]
    assert doubled["answers"] == [[200, 200]]
    assert len(receiver.posts) == 2
    assert simulator.webhooks.dropped == 1


async def test_a_backend_without_an_answer_is_reported_as_none(
    caller: Caller, simulator: Simulator, unused_tcp_port: int
) -> None:
    simulator.settings.webhook_url = f"http://127.0.0.1:{unused_tcp_port}/webhook"
    order = {"phone_number_id": "1", "from": "919", "text": "hi", "wait": True}
    assert (await caller.control("POST", "/inbound", order))["answers"] == [[None]]


async def test_the_handshake_repeats_metas_challenge(caller: Caller, receiver: Receiver) -> None:
    receiver.verify_token = "right"
    await caller.control("POST", "/settings", {"verify_token": "wrong"})
    assert await caller.control("POST", "/handshake") == {"ok": False, "status": 403}
    await caller.control("POST", "/settings", {"verify_token": "right"})
    assert await caller.control("POST", "/handshake") == {"ok": True, "status": 200}


async def test_without_a_webhook_url_statuses_are_counted_as_discarded() -> None:
    async with Simulator(Settings()) as simulator, aiohttp.ClientSession() as session:
        caller = Caller(session, simulator)
        await caller.sent()
        assert (simulator.webhooks.pending, simulator.webhooks.discarded) == (0, 3)
        url = f"{simulator.base_url}/_sim/inbound"
        order = {"phone_number_id": "1", "from": "919", "text": "hi"}
        async with session.post(url, json=order) as response:
            assert response.status == 400


async def test_stopping_ends_hung_calls_and_pending_webhooks_quickly(receiver: Receiver) -> None:
    receiver.gate.clear()
    simulator = Simulator(Settings(webhook_url=receiver.url, status_delay=0))
    await simulator.start()
    async with aiohttp.ClientSession() as session:
        caller = Caller(session, simulator)
        await caller.faults({"match": {"opaque": "hung"}, "fault": "hang"})
        await caller.sent()
        hung = asyncio.create_task(caller.send(biz_opaque_callback_data="hung").__aenter__())
        await eventually(lambda: len(simulator.journal.entries) == 2)
        await receiver.until(lambda: receiver.at_once == 1)
        async with asyncio.timeout(2):
            await simulator.stop()
        assert isinstance((await asyncio.gather(hung, return_exceptions=True))[0], Exception)
    assert simulator.journal.entries[1].outcome == "hung"


async def test_a_message_can_be_taken_and_then_fail_with_a_code(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    await caller.faults({"fault": {"kind": "fail_status", "code": 131026}, "times": 1})
    wamid = await caller.sent(biz_opaque_callback_data="m1")
    await receiver.until(lambda: len(receiver.posts) == 1)
    value = receiver.posts[0].body["entry"][0]["changes"][0]["value"]
    assert "contacts" not in value
    [status] = value["statuses"]
    [error] = status.pop("errors")
    assert (error["code"], error["title"]) == (131026, "Message undeliverable")
    assert error["error_data"]["details"]
    del status["timestamp"]
    assert status == {
        "id": wamid,
        "status": "failed",
        "recipient_id": "919012345678",
        "biz_opaque_callback_data": "m1",
    }
    await eventually(lambda: simulator.webhooks.pending == 0)
    assert simulator.journal.entries[0].outcome == "accepted"

    await caller.sent()
    await receiver.until(lambda: len(receiver.posts) == 4)
    assert receiver.status_names() == ["failed", "sent", "delivered", "read"]


async def test_a_failure_can_come_after_other_statuses_and_be_doubled(
    caller: Caller, receiver: Receiver
) -> None:
    fails = {"kind": "fail_status", "code": 999_999, "details": "d", "after": ["sent"]}
    doubled = {"kind": "duplicate", "webhooks": ["failed"]}
    await caller.faults({"fault": fails}, {"fault": doubled})
    await caller.sent()
    await receiver.until(lambda: len(receiver.posts) == 3)
    assert receiver.status_names() == ["sent", "failed", "failed"]
    sent, failed, _ = receiver.all("statuses")
    assert "pricing" in sent
    assert "pricing" not in failed
    assert failed["errors"][0]["error_data"] == {"details": "d"}
