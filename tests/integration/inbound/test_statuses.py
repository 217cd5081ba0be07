"""Statuses: in any order, any number of times, early, unknown, of somebody else."""

import asyncio
import itertools
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

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
