"""Statuses: in any order, any number of times, early, unknown, of somebody else."""

import asyncio
import itertools
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from manyline.inbound.models import StatusChange
from manyline.inbound.repository import ParkedStatusRepository
from manyline.messages.states import MessageStatus

TWO = "222222222222222"


def status(message_id: str, name: str, at: int = 1795176000, **more: Any) -> dict[str, Any]:
    return {
        "id": f"wamid.{message_id}",
        "status": name,
        "timestamp": str(at),
        "biz_opaque_callback_data": message_id,
        **more,
    }


async def test_any_order_ends_in_the_same_place(backend: Any, webhook_of: Any) -> None:
    tenant_id = await backend.register()
    at = {"sent": 1900000000, "delivered": 1900000001, "read": 1900000002}  # After the send.
    for order in itertools.permutations(at):
        message_id = await backend.sent(tenant_id, to="+919012345678")
        seen = []
        for name in (*order, order[0]):
            one = status(message_id, name, at[name])
            assert (await backend.webhook(webhook_of(statuses=[one]))).status == 200
            seen.append((await backend.message(tenant_id, message_id))["status"])
        ranks = [["sent", "delivered", "read"].index(name) for name in seen]
        assert ranks == sorted(ranks)
        message = await backend.message(tenant_id, message_id)
        assert message["status"] == "read"
        assert message["waMessageId"] == f"wamid.{message_id}"
        for name, moment in at.items():
            iso = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
            assert message["statusAt"][name] == iso.replace("+00:00", "Z")


async def test_all_of_a_messages_statuses_in_one_webhook(backend: Any, webhook_of: Any) -> None:
    tenant_id = await backend.register()
    ids = await asyncio.gather(*(backend.sent(tenant_id) for _ in range(20)))
    names = ("read", "sent", "delivered")
    webhook = webhook_of(statuses=[status(each, name) for name in names for each in ids])
    assert (await backend.webhook(webhook)).status == 200
    assert {m["status"] for m in await backend.messages(tenant_id)} == {"read"}


async def test_played_is_read(backend: Any, webhook_of: Any) -> None:
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    await backend.webhook(webhook_of(statuses=[status(message_id, "played")]))
    assert (await backend.message(tenant_id, message_id))["status"] == "read"


async def test_failed_says_why_and_is_final_unless_it_arrived_after_all(
    backend: Any, webhook_of: Any
) -> None:
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    errors = [{"code": 131047, "title": "Re-engagement message"}]

    async def hear(name: str, **more: Any) -> dict[str, Any]:
        await backend.webhook(webhook_of(statuses=[status(message_id, name, **more)]))
        message: dict[str, Any] = await backend.message(tenant_id, message_id)
        return message

    failed = await hear("failed", errors=errors)
    assert failed["status"] == "failed"
    assert (failed["error"]["code"], failed["error"]["title"]) == (131047, "Re-engagement message")
    assert (await hear("sent"))["status"] == "failed"
    assert (await hear("sent"))["error"] == failed["error"]
    delivered = await hear("delivered")
    assert (delivered["status"], delivered["error"]) == ("delivered", None)
    assert (await hear("failed", errors=errors))["status"] == "delivered"
    assert (await hear("failed", errors=errors))["error"] is None


async def test_a_status_that_comes_first_takes_the_message_out_of_the_outbox(
    backend: Any, webhook_of: Any, simulator: Any
) -> None:
    """It says that Graph took it, so nobody may send it again."""
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    await backend.webhook(webhook_of(statuses=[status(message_id, "sent")]))
    await backend.start_worker()
    later = await backend.sent(tenant_id)
    await backend.until_status(tenant_id, later, "read")
    assert [e.biz_opaque_callback_data for e in simulator.journal.entries] == [later]


async def test_pricing_is_kept(backend: Any, webhook_of: Any) -> None:
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    pricing = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility"}
    for name, more in (("sent", {"pricing": pricing}), ("read", {})):
        await backend.webhook(webhook_of(statuses=[status(message_id, name, **more)]))
    assert (await backend.message(tenant_id, message_id))["pricing"] == pricing


async def test_without_our_id_the_wamid_finds_the_message(backend: Any, webhook_of: Any) -> None:
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    await backend.webhook(webhook_of(statuses=[status(message_id, "sent")]))
    for opaque in (None, "not-an-id", 5):
        plain = status(message_id, "read") | {"biz_opaque_callback_data": opaque}
        assert (await backend.webhook(webhook_of(statuses=[plain]))).status == 200
    assert (await backend.message(tenant_id, message_id))["status"] == "read"


async def test_one_that_finds_nothing_is_parked_once_and_applied_later(
    backend: Any, webhook_of: Any, database: Any, eventually: Any
) -> None:
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    unknown = {"id": "wamid.not-yet", "status": "delivered", "timestamp": "1795176000"}
    known = status(message_id, "sent")
    webhook = webhook_of(statuses=[unknown, known, unknown])
    answers = await asyncio.gather(*(backend.webhook(webhook) for _ in range(3)))
    assert {answer.status for answer in answers} == {200}
    assert (await backend.message(tenant_id, message_id))["status"] == "sent"
    [parked] = [each async for each in database.parked_statuses.find()]
    assert parked["waMessageId"] == "wamid.not-yet"

    await database.messages.update_one(
        {"_id": ObjectId(message_id)}, {"$set": {"waMessageId": "wamid.not-yet"}}
    )
    await database.parked_statuses.update_many({}, {"$set": {"tryAt": datetime.now(UTC)}})
    await backend.start_worker()
    await backend.until_status(tenant_id, message_id, "delivered")

    async def forgotten() -> bool:
        return await database.parked_statuses.count_documents({}) == 0

    await eventually(forgotten)


async def test_nobody_elses_status_changes_a_message(
    backend: Any, webhook_of: Any, database: Any
) -> None:
    """By our id and by its wamid, as another tenant's number would send it."""
    one = await backend.register()
    await backend.register(TWO)
    message_id = await backend.sent(one)
    await backend.webhook(webhook_of(statuses=[status(message_id, "sent")]))
    by_id, by_wamid = status(message_id, "read"), status(message_id, "read")
    del by_wamid["biz_opaque_callback_data"]
    answer = await backend.webhook(webhook_of(TWO, statuses=[by_id, by_wamid]))
    assert answer.status == 200
    message = await backend.message(one, message_id)
    assert (message["status"], set(message["statusAt"])) == ("sent", {"queued", "sent"})


async def test_a_customers_own_message_has_no_status_of_ours(
    backend: Any, webhook_of: Any, text_message: Any
) -> None:
    tenant_id = await backend.register(settings={"autoReply": {"enabled": False}})
    await backend.webhook(webhook_of(messages=[text_message(id="wamid.theirs")]))
    theirs = {"id": "wamid.theirs", "status": "failed", "timestamp": "1795176000"}
    [message] = await backend.messages(tenant_id)
    for one in (theirs, {**theirs, "biz_opaque_callback_data": message["messageId"]}):
        assert (await backend.webhook(webhook_of(statuses=[one]))).status == 200
    assert (await backend.messages(tenant_id))[0]["status"] == "received"


async def test_a_wamid_that_another_message_has_spoils_no_status(
    backend: Any, webhook_of: Any
) -> None:
    tenant_id = await backend.register()
    first, second, third = [await backend.sent(tenant_id) for _ in range(3)]
    await backend.webhook(webhook_of(statuses=[status(first, "sent")]))
    clash = status(second, "delivered") | {"id": f"wamid.{first}"}
    answer = await backend.webhook(webhook_of(statuses=[clash, status(third, "read")]))
    assert answer.status == 200
    found = {m["messageId"]: m for m in await backend.messages(tenant_id)}
    assert [found[each]["status"] for each in (first, second, third)] == [
        "sent",
        "delivered",
        "read",
    ]
    assert found[second]["waMessageId"] is None


async def test_a_failed_for_an_earlier_wamid_changes_nothing(backend: Any, webhook_of: Any) -> None:
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    await backend.webhook(webhook_of(statuses=[status(message_id, "sent")]))
    late = status(message_id, "failed") | {"id": "wamid.of-an-earlier-send"}
    await backend.webhook(webhook_of(statuses=[late]))
    message = await backend.message(tenant_id, message_id)
    assert (message["status"], message["error"]) == ("sent", None)


async def test_each_of_many_statuses_in_one_update_has_its_own_time_and_price(
    backend: Any, webhook_of: Any
) -> None:
    """More than go into one update, over two tenants, some told twice at different times."""
    tenants = {"111111111111111": await backend.register(), TWO: await backend.register(TWO)}
    ids = {
        number: [await backend.sent(tenant, to=f"+9190000{n:05}") for n in range(70)]
        for number, tenant in tenants.items()
    }
    changes: list[dict[str, Any]] = []
    for number, of_one in ids.items():
        statuses = [
            status(each, "delivered", 1900000000 + n + late, pricing={"category": f"c{n}"})
            for n, each in enumerate(of_one)
            for late in (5, 0)
        ]
        changes += webhook_of(number, statuses=statuses)["entry"][0]["changes"]
    assert (await backend.webhook({"entry": [{"changes": changes}]})).status == 200
    for number, tenant_id in tenants.items():
        found = {m["messageId"]: m for m in await backend.messages(tenant_id)}
        for n, each in enumerate(ids[number]):
            at = datetime.fromtimestamp(1900000000 + n, UTC).isoformat(timespec="milliseconds")
            assert found[each]["statusAt"]["delivered"] == at.replace("+00:00", "Z")
            assert found[each]["pricing"] == {"category": f"c{n}"}
            assert found[each]["waMessageId"] == f"wamid.{each}"


async def test_one_that_finds_nothing_is_tried_ever_more_rarely(mongo: Any, clock: Any) -> None:
    parked = ParkedStatusRepository(mongo.database)
    await parked.ensure_indexes()
    change = StatusChange(ObjectId(), "wamid.x", None, MessageStatus.SENT, clock.now())
    await parked.park([change], now=clock.now())
    waits: list[float] = []
    for _ in range(10):
        [(parked_id, _)] = await parked.due(now=clock.now(), limit=10)
        await parked.put_off([parked_id], now=clock.now())
        [kept] = [each async for each in mongo.database.parked_statuses.find()]
        waits.append((kept["tryAt"] - clock.now()).total_seconds())
        assert await parked.due(now=clock.now(), limit=10) == []
        clock.advance(seconds=waits[-1])
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3840, 3840, 3840]


async def test_what_waits_for_a_message_of_the_phone_is_tried_when_that_comes(
    backend: Any, webhook_of: Any, database: Any, eventually: Any
) -> None:
    tenant_id = await backend.register()
    read = {"id": "wamid.echo", "status": "read", "timestamp": "1795176009"}
    await backend.webhook(webhook_of(statuses=[read]))
    await database.parked_statuses.update_many(
        {}, {"$set": {"tryAt": datetime(2999, 1, 1, tzinfo=UTC)}}
    )
    echo = {"id": "wamid.echo", "from": "1555", "to": "919111111111", "type": "text"}
    body = webhook_of(message_echoes=[echo | {"text": {"body": "hi"}, "timestamp": "1795176000"}])
    body["entry"][0]["changes"][0]["field"] = "smb_message_echoes"
    await backend.webhook(body)
    await backend.start_worker()
    [message] = await backend.messages(tenant_id)
    await backend.until_status(tenant_id, message["messageId"], "read")


@pytest.mark.parametrize("name", ["sent", "failed"])
async def test_a_late_word_about_the_send_before_a_replay_does_not_touch_the_replay(
    backend: Any, webhook_of: Any, name: str
) -> None:
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    errors = [{"code": 131026, "title": "Message undeliverable"}]
    failed = status(message_id, "failed", errors=errors)
    await backend.webhook(webhook_of(statuses=[failed]))
    where = f"/tenants/{tenant_id}/messages/{message_id}"
    assert (await backend.call("POST", where + "/replay")).status == 200
    late = failed if name == "failed" else status(message_id, "sent")
    await backend.webhook(webhook_of(statuses=[late]))
    message = await backend.message(tenant_id, message_id)
    assert (message["status"], message["error"], message["waMessageId"]) == ("queued", None, None)
    await backend.webhook(webhook_of(statuses=[status(message_id, "delivered")]))
    assert (await backend.message(tenant_id, message_id))["status"] == "delivered"


async def test_a_late_failed_of_a_doubtful_send_does_not_fail_its_replay(
    backend: Any, webhook_of: Any, database: Any
) -> None:
    """Nobody knew its wamid, and the replay has made no call yet that could have failed."""
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    await database.messages.update_one(
        {"_id": ObjectId(message_id)},
        {
            "$set": {"status": "in_doubt", "statusRank": 2, "troubleAt": datetime.now(UTC)},
            "$unset": {"dueAt": ""},
        },
    )
    where = f"/tenants/{tenant_id}/messages/{message_id}"
    assert (await backend.call("POST", where + "/replay")).status == 200
    failed = status(message_id, "failed", errors=[{"code": 131026, "title": "undeliverable"}])
    await backend.webhook(webhook_of(statuses=[failed]))
    assert (await backend.message(tenant_id, message_id))["status"] == "queued"


async def test_a_parked_failed_has_its_consequences_when_its_message_is_known(
    backend: Any, webhook_of: Any, database: Any, eventually: Any
) -> None:
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    moment = int(datetime.now(UTC).timestamp()) + 60
    failed = {"id": "wamid.not-yet", "status": "failed", "timestamp": str(moment)}
    failed["errors"] = [{"code": 131050, "title": "opted out"}]
    await backend.webhook(webhook_of(statuses=[failed]))
    await database.messages.update_one(
        {"_id": ObjectId(message_id)},
        {"$set": {"waMessageId": "wamid.not-yet", "status": "sent", "statusRank": 3}},
    )
    await database.parked_statuses.update_many({}, {"$set": {"tryAt": datetime.now(UTC)}})
    await backend.start_worker()
    await backend.until_status(tenant_id, message_id, "failed")

    async def noted() -> bool:
        return await database.customers.count_documents({"optedOutAt": {"$exists": True}}) == 1

    await eventually(noted)


async def test_who_asked_for_messages_again_stays_so_when_an_old_refusal_is_told_again(
    backend: Any, webhook_of: Any, database: Any
) -> None:
    """Meta repeats itself, and so does a replay of the ledger."""
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id, to="+919111111111")
    at = int(datetime.now(UTC).timestamp())
    errors = [{"code": 131050, "title": "opted out"}]
    refused = webhook_of(statuses=[status(message_id, "failed", at, errors=errors)])
    told = {"wa_id": "919111111111", "category": "marketing_messages", "value": "resume"}
    again = webhook_of(user_preferences=[told | {"timestamp": str(at + 1)}])
    again["entry"][0]["changes"][0]["field"] = "user_preferences"
    for webhook, opted_out in ((refused, 1), (again, 0), (refused, 0)):
        assert (await backend.webhook(webhook)).status == 200
        query = {"optedOutAt": {"$exists": True}}
        assert await database.customers.count_documents(query) == opted_out


async def test_what_is_parked_gains_the_pricing_that_is_told_later(
    backend: Any, webhook_of: Any, database: Any, eventually: Any
) -> None:
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    unknown = {"id": "wamid.not-yet", "status": "delivered", "timestamp": "1795176000"}
    pricing = {"billable": True, "pricing_model": "PMP", "category": "utility"}
    for more in ({}, {"pricing": pricing}, {}):
        assert (await backend.webhook(webhook_of(statuses=[unknown | more]))).status == 200
    await database.messages.update_one(
        {"_id": ObjectId(message_id)},
        {"$set": {"waMessageId": "wamid.not-yet", "status": "sent", "statusRank": 3}},
    )
    await database.parked_statuses.update_many({}, {"$set": {"tryAt": datetime.now(UTC)}})
    await backend.start_worker()
    message = await backend.until_status(tenant_id, message_id, "delivered")
    assert message["pricing"] == pricing


async def updates_of(database: Any) -> int:
    """How many commands of the kind the server has run so far."""
    status = await database.client.admin.command("serverStatus")
    return int(status["metrics"]["commands"]["update"]["total"])


async def test_one_status_told_in_a_thousand_ways_holds_nobody_up(
    backend: Any, webhook_of: Any, database: Any
) -> None:
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    ways = [status(message_id, "sent", pricing={"type": f"{n}"}) for n in range(1_000)]
    before = await updates_of(database)
    assert (await backend.webhook(webhook_of(statuses=ways))).status == 200
    assert await updates_of(database) - before < 50  # One command for each took 20 s.
    assert (await backend.message(tenant_id, message_id))["status"] == "sent"
    [parked] = [each async for each in database.parked_statuses.find()]
    assert parked["pricing"] == {"type": "999"}


async def test_no_status_is_from_before_its_message(
    backend: Any, webhook_of: Any, database: Any
) -> None:
    """Meta tells whole seconds: what it sent at once seems to be sent before it was accepted."""
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    created_at = (await database.messages.find_one())["createdAt"]
    told_at = int(created_at.timestamp()) - 5
    await backend.webhook(webhook_of(statuses=[status(message_id, "sent", told_at)]))
    assert (await database.messages.find_one())["statusAt"]["sent"] == created_at


async def test_a_late_failed_does_not_pause_a_tenant_that_was_changed_since(
    backend: Any, webhook_of: Any
) -> None:
    """It tells of a token that may be another by now."""
    tenant_id = await backend.register()
    late, timely = [await backend.sent(tenant_id, to=f"+91901234567{n}") for n in range(2)]
    now = int(datetime.now(UTC).timestamp())
    for message_id, at, becomes in ((late, now - 60, "active"), (timely, now + 1, "paused")):
        errors = [{"code": 190, "title": "token expired"}]
        failed = status(message_id, "failed", at, errors=errors)
        assert (await backend.webhook(webhook_of(statuses=[failed]))).status == 200
        assert (await backend.message(tenant_id, message_id))["status"] == "failed"
        shown = await backend.call("GET", f"/tenants/{tenant_id}")
        assert shown.body["status"] == becomes
