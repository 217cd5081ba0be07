"""As much as Meta puts into one webhook: all of it is taken, and one bad item spoils nothing."""

import json
import time
from typing import Any

from bson import ObjectId

ONE, TWO = "111111111111111", "222222222222222"
CHANGES = 1_000


def change(number: str, **value: Any) -> dict[str, Any]:
    return {"field": "messages", "value": {"metadata": {"phone_number_id": number}, **value}}


async def test_a_thousand_changes_with_one_bad_item(
    backend: Any, text_message: Any, database: Any
) -> None:
    await backend.register()
    changes = [
        change(ONE, messages=[text_message(id=f"wamid.{n}", sender=f"9190000{n:05}")])
        for n in range(CHANGES)
    ]
    changes[417]["value"]["messages"][0]["odd"] = {"a\u0000b": 1}
    assert (await backend.webhook({"entry": [{"changes": changes}]})).status == 200
    assert await database.messages.count_documents({"direction": "IN"}) == CHANGES - 1
    assert await database.messages.count_documents({"source": "auto-reply"}) == CHANGES - 1
    [quarantined] = [each async for each in database.quarantine.find()]
    assert json.loads(quarantined["raw"])["id"] == "wamid.417"


async def test_a_thousand_mixed_changes_commit_in_less_than_a_second(
    backend: Any, text_message: Any, database: Any
) -> None:
    """One message to three statuses, over two tenants; also a second time."""
    tenants = {
        number: await backend.register(number, settings={"autoReply": {"enabled": False}})
        for number in (ONE, TWO)
    }
    sent = {
        number: [await backend.sent(tenant, to=f"+91900000{n:04}") for n in range(130)]
        for number, tenant in tenants.items()
    }
    changes: list[dict[str, Any]] = []
    for n in range(CHANGES // 4):
        number = (ONE, TWO)[n % 2]
        message_id = sent[number][n // 2]
        changes.append(change(number, messages=[text_message(sender=f"9190000{n:05}")]))
        for at, name in enumerate(("read", "sent", "delivered")):
            status = {
                "id": f"wamid.{message_id}",
                "status": name,
                "timestamp": str(1795176000 + at),
            }
            opaque = {"biz_opaque_callback_data": message_id}
            changes.append(change(number, statuses=[status | opaque]))
    body = json.dumps({"entry": [{"changes": changes}]}).encode()
    seconds: list[float] = []
    for _ in range(3):
        began = time.perf_counter()
        assert (await backend.webhook(body)).status == 200
        seconds.append(time.perf_counter() - began)
    assert await database.messages.count_documents({"direction": "IN"}) == CHANGES // 4
    assert await database.messages.count_documents({"status": "read"}) == CHANGES // 4
    assert await database.parked_statuses.count_documents({}) == 0
    assert min(seconds) < 1.0, seconds


async def test_a_thousand_preferences_hold_nobody_up(backend: Any, database: Any) -> None:
    await backend.register()
    told = {"category": "marketing_messages", "value": "stop", "timestamp": "1795100000"}
    given = [{**told, "wa_id": f"9190000{n:05}"} for n in range(CHANGES)]
    one = {**change(ONE, user_preferences=given), "field": "user_preferences"}
    server = database.client.admin
    before = (await server.command("serverStatus"))["metrics"]["commands"]["update"]["total"]
    assert (await backend.webhook({"entry": [{"changes": [one]}]})).status == 200
    after = (await server.command("serverStatus"))["metrics"]["commands"]["update"]["total"]
    assert after - before < 50  # One command for each took 5 s.
    query = {"optedOutAt": {"$exists": True}}
    assert await database.customers.count_documents(query) == CHANGES


async def test_one_customer_of_two_tenants_is_two_conversations(
    backend: Any, text_message: Any, database: Any
) -> None:
    """The same person, the same wamids even: nothing of the one is seen by the other."""
    one, two = await backend.register(ONE), await backend.register(TWO, name="Tenant B")
    reaction = {"message_id": "wamid.1", "emoji": "👍"}
    answer = await backend.webhook(
        {
            "entry": [
                {
                    "changes": [
                        change(ONE, messages=[text_message("for one", id="wamid.1")]),
                        change(TWO, messages=[text_message("for two", id="wamid.1")]),
                        change(
                            TWO,
                            messages=[
                                text_message(id="wamid.2", type="reaction", reaction=reaction)
                            ],
                        ),
                        change(
                            TWO,
                            messages=[text_message(id="wamid.3", context={"id": "wamid.1"})],
                        ),
                    ]
                }
            ]
        }
    )
    assert answer.status == 200
    of_one = [m for m in await backend.messages(one) if m["direction"] == "IN"]
    of_two = [m for m in await backend.messages(two) if m["direction"] == "IN"]
    assert [(m["body"], m.get("reactions")) for m in of_one] == [("for one", None)]
    assert [m["body"] for m in of_two] == ["for two", "👍", "hi"]
    assert [one["emoji"] for one in of_two[0]["reactions"]] == ["👍"]
    assert of_two[2]["replyTo"] == {"waMessageId": "wamid.1", "messageId": of_two[0]["messageId"]}
    assert {m["conversationId"] for m in of_one}.isdisjoint(m["conversationId"] for m in of_two)
    for tenant_id in (one, two):
        for name in ("customers", "conversations"):
            mine = {"tenantId": ObjectId(tenant_id)}
            assert await database[name].count_documents(mine) == 1
    where = f"/tenants/{one}/conversations/{of_two[0]['conversationId']}"
    assert (await backend.call("GET", where)).status == 404


async def test_what_was_written_on_the_phone_is_sent_by_nobody(
    backend: Any, database: Any, webhook_of: Any
) -> None:
    """Not even when it failed and somebody asks for it."""
    tenant_id = await backend.register()
    echo = {"id": "wamid.e", "from": "1555", "to": "919111111111", "type": "text"}
    echo |= {"text": {"body": "from the phone"}, "timestamp": "1795176000"}
    body = webhook_of(message_echoes=[echo])
    body["entry"][0]["changes"][0]["field"] = "smb_message_echoes"
    assert (await backend.webhook(body)).status == 200
    failed = {"id": "wamid.e", "status": "failed", "timestamp": "1795176001"}
    assert (await backend.webhook(webhook_of(statuses=[failed]))).status == 200
    [message] = await backend.messages(tenant_id)
    assert (message["source"], message["status"]) == ("phone", "failed")
    answer = await backend.call(
        "POST", f"/tenants/{tenant_id}/messages/{message['messageId']}/replay"
    )
    assert (answer.status, answer.code) == (409, "not_replayable")
    assert "written elsewhere" in answer.body["detail"]
    detail = await backend.message(tenant_id, message["messageId"])
    assert "phone" in detail["timeline"][0]["text"]
    assert await database.messages.count_documents({"dueAt": {"$exists": True}}) == 0
