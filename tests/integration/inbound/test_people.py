"""Customers and conversations: one person one customer per tenant, times that only move forward."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

ONE, TWO = "111111111111111", "222222222222222"


def seconds(moment: datetime) -> str:
    return str(int(moment.timestamp()))


async def test_a_number_with_and_without_its_plus_is_one_customer(
    backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    tenant_id = await backend.register()
    for sender in ("919111111111", "+919111111111"):
        await backend.webhook(webhook_of(messages=[text_message(sender=sender)]))
    await backend.sent(tenant_id, to="+91 91111 11111")
    [customer] = [each async for each in database.customers.find()]
    assert customer["waId"] == "+919111111111"
    assert customer["identities"] == ["tel:+919111111111"]
    conversations = {m["conversationId"] for m in await backend.messages(tenant_id)}
    assert conversations == {str(customer["_id"])}
    [conversation] = [each async for each in database.conversations.find()]
    assert conversation["_id"] == customer["_id"]


async def test_one_person_who_writes_to_two_tenants_is_two_customers(
    backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    one, two = await backend.register(ONE), await backend.register(TWO)
    await asyncio.gather(
        backend.webhook(webhook_of(ONE, messages=[text_message("for one")])),
        backend.webhook(webhook_of(TWO, messages=[text_message("for two")])),
    )
    assert await database.customers.count_documents({}) == 2
    of_one, of_two = await backend.messages(one), await backend.messages(two)
    assert [m["body"] for m in of_one if m["direction"] == "IN"] == ["for one"]
    assert [m["body"] for m in of_two if m["direction"] == "IN"] == ["for two"]
    assert {m["conversationId"] for m in of_one} & {m["conversationId"] for m in of_two} == set()


async def test_a_customer_without_a_number(
    backend: Any, webhook_of: Any, simulator: Any, database: Any
) -> None:
    tenant_id = await backend.register()
    user_id = "US.13491208655302741918"
    contact = {"profile": {"name": "Sheena"}, "user_id": user_id}
    message = {"from_user_id": user_id, "id": "wamid.1", "type": "text", "text": {"body": "hi"}}
    await backend.webhook(webhook_of(contacts=[contact], messages=[message]))
    [customer] = [each async for each in database.customers.find()]
    assert (customer["userId"], customer["name"]["is"]) == (user_id, "Sheena")
    assert "waId" not in customer
    [_, reply] = await backend.messages(tenant_id)
    await backend.start_worker()
    await backend.until_status(tenant_id, reply["messageId"], "read")
    assert simulator.journal.entries[0].to == user_id


async def test_a_message_with_a_number_and_a_user_id_makes_one_customer_of_two(
    backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    """Also where others write to either of them at that moment; the old conversation is found."""
    tenant_id = await backend.register()
    user_id = "IN.13491208655302741918"
    alone = {"from_user_id": user_id, "id": "wamid.1", "type": "text", "text": {"body": "one"}}
    await backend.webhook(webhook_of(messages=[alone]))
    await backend.webhook(webhook_of(messages=[text_message("two")]))
    before = {m["conversationId"] for m in await backend.messages(tenant_id)}
    assert len(before) == 2
    both = text_message("three", from_user_id=user_id)
    await asyncio.gather(
        backend.webhook(webhook_of(messages=[both])),
        *(backend.sent(tenant_id, to="+919111111111", text=f"{n}") for n in range(10)),
    )
    [customer] = (await backend.call("GET", f"/tenants/{tenant_id}/customers")).body["items"]
    assert (customer["waId"], customer["userId"]) == ("+919111111111", user_id)
    messages = await backend.messages(tenant_id)
    assert {m["conversationId"] for m in messages} == {customer["conversationId"]}
    for conversation_id in before:
        where = f"/tenants/{tenant_id}/conversations/{conversation_id}"
        assert (await backend.call("GET", where)).body["conversationId"] == customer["customerId"]
        told = (await backend.call("GET", where + "/messages?limit=100")).body["items"]
        assert len(told) == len(messages)
        assert (await backend.call("POST", where + "/read")).body["unread"] == 0


async def test_a_changed_number_keeps_the_conversation(
    backend: Any, webhook_of: Any, text_message: Any
) -> None:
    tenant_id = await backend.register()
    system = {
        "from": "919111111111",
        "id": "wamid.system",
        "timestamp": seconds(datetime.now(UTC)),
        "type": "system",
        "system": {
            "body": "User A changed from 919111111111 to 919222222222",
            "wa_id": "919222222222",
            "type": "user_changed_number",
        },
    }
    await backend.webhook(webhook_of(messages=[text_message("before")]))
    for _ in range(2):
        await backend.webhook(webhook_of(messages=[system]))
    await backend.webhook(webhook_of(messages=[text_message("after", sender="919222222222")]))
    [customer] = (await backend.call("GET", f"/tenants/{tenant_id}/customers")).body["items"]
    assert customer["waId"] == "+919222222222"
    messages = await backend.messages(tenant_id)
    assert {m["conversationId"] for m in messages} == {customer["conversationId"]}
    assert [m["body"] for m in messages if m["body"] in ("before", "after")] == ["before", "after"]


async def test_names_and_last_seen_follow(
    backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    await backend.register()

    async def hear(name: str, at: datetime) -> Any:
        contact = {"wa_id": "919111111111", "profile": {"name": name}}
        message = text_message(timestamp=seconds(at))
        await backend.webhook(webhook_of(contacts=[contact], messages=[message]))
        return await database.customers.find_one()

    now = datetime.now(UTC).replace(microsecond=0)
    assert (await hear("First", now - timedelta(hours=2)))["name"]["is"] == "First"
    later = await hear("Second", now - timedelta(hours=1))
    assert (later["name"]["is"], later["lastSeenAt"]) == ("Second", now - timedelta(hours=1))
    older = await hear("Third", now - timedelta(hours=3))
    assert older["name"]["is"] == "Second"
    assert older["lastSeenAt"] == now - timedelta(hours=1)


async def test_a_conversations_times_only_move_forward(
    backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    tenant_id = await backend.register(settings={"autoReply": {"enabled": False}})
    now = datetime.now(UTC).replace(microsecond=0)

    async def hear(text: str, ago: timedelta) -> Any:
        message = text_message(text, timestamp=seconds(now - ago))
        await backend.webhook(webhook_of(messages=[message]))
        return await database.conversations.find_one()

    first = await hear("second", timedelta(hours=1))
    assert first["lastInboundAt"] == now - timedelta(hours=1)
    assert first["windowExpiresAt"] == now + timedelta(hours=23)
    assert first["lastMessage"]["preview"] == "second"
    late = await hear("first", timedelta(hours=2))
    for field in ("lastInboundAt", "windowExpiresAt", "lastMessage", "createdAt"):
        assert late[field] == first[field]

    await backend.sent(tenant_id, to="+919111111111", text="ours " + "x" * 500)
    written = await database.conversations.find_one()
    assert written["lastMessage"]["direction"] == "OUT"
    assert written["lastMessage"]["preview"] == ("ours " + "x" * 500)[:120]
    assert written["windowExpiresAt"] == first["windowExpiresAt"]

    future = await hear("tomorrow", timedelta(days=-1))
    assert future["lastInboundAt"] <= datetime.now(UTC) + timedelta(seconds=1)


async def test_metas_own_word_about_a_customer_opens_no_window(
    backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    await backend.register(settings={"autoReply": {"enabled": False}})
    now = datetime.now(UTC).replace(microsecond=0)
    wrote, told = now - timedelta(hours=30), now - timedelta(hours=1)
    system = {"type": "customer_identity_changed", "body": "changed", "customer": "919111111111"}
    news = {"from": "919111111111", "type": "system", "system": system, "timestamp": seconds(told)}
    await backend.webhook(webhook_of(messages=[news | {"id": "wamid.news"}]))
    conversation = await database.conversations.find_one()
    assert "windowExpiresAt" not in conversation
    await backend.webhook(webhook_of(messages=[text_message(timestamp=seconds(wrote))]))
    await backend.webhook(webhook_of(messages=[news | {"id": "wamid.more.news"}]))
    conversation = await database.conversations.find_one()
    assert conversation["windowExpiresAt"] == wrote + timedelta(hours=24)
    assert conversation["lastMessage"]["at"] == told


async def test_a_person_who_never_wrote_has_no_window(backend: Any, database: Any) -> None:
    tenant_id = await backend.register()
    await backend.sent(tenant_id)
    conversation = await database.conversations.find_one()
    assert "windowExpiresAt" not in conversation
    assert conversation["status"] == "open"


async def test_first_contact_from_both_sides_at_once(
    backend: Any, open_backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    """The customer writes, the tenant writes, and both processes make the conversation."""
    other = await open_backend(app_secret="an-app-secret")
    tenant_id = await backend.register()
    for n in range(15):
        number = f"91901234{n:04}"
        answers = await asyncio.gather(
            backend.webhook(webhook_of(messages=[text_message(sender=number)])),
            other.webhook(webhook_of(messages=[text_message(sender=number)])),
            backend.send(tenant_id, to=number),
            other.send(tenant_id, to=number),
        )
        assert {answer.status for answer in answers} == {200}
    assert await database.customers.count_documents({}) == 15
    assert await database.conversations.count_documents({}) == 15


async def test_what_comes_under_a_name_that_was_merged_elsewhere_is_moved_before_the_answer(
    open_backend: Any, simulator: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    """By another process; this one goes by what it remembers."""
    given = {"app_secret": "a-secret", "graph_base_url": simulator.base_url}
    one, other = await open_backend(**given), await open_backend(**given)
    tenant_id = await one.register(settings={"autoReply": {"enabled": False}})

    async def hear(backend: Any, text: str, **who: str) -> None:
        message = {**text_message(text), "from": None, **who}
        assert (await backend.webhook(webhook_of(messages=[message]))).status == 200

    await hear(one, "by number", **{"from": "919111111111"})
    await hear(one, "by user id", from_user_id="IN.1")
    await hear(other, "by both", **{"from": "919111111111"}, from_user_id="IN.1")
    await hear(one, "by user id again", from_user_id="IN.1")
    messages = await one.messages(tenant_id)
    assert len(messages) == 4
    assert len({message["conversationId"] for message in messages}) == 1
    assert await database.conversations.count_documents({}) == 1
