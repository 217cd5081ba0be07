"""The way in: what is refused, what is routed to whom, and what is stored once."""

import asyncio
import json
from typing import Any

ONE, TWO = "111111111111111", "222222222222222"


async def test_only_what_meta_signed_is_looked_at(
    backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    await backend.register()
    webhook = webhook_of(messages=[text_message("é")])
    right = json.dumps(webhook).encode()
    signature = "X-Hub-Signature-256"
    for wrong in ("", "sha256=", "sha256=" + "0" * 64, "sha1=" + "0" * 40, "é", "sha256=é"):
        answer = await backend.webhook(right, **{signature: wrong})
        assert (answer.status, answer.code) == (401, "bad_signature")
        assert "sha256=" not in answer.body["detail"]
    backend.signed_with = None
    assert (await backend.webhook(right)).status == 401
    backend.signed_with = "another secret"
    assert (await backend.webhook(right)).status == 401
    # Judged before anything is parsed.
    assert (await backend.webhook(b"no json")).status == 401
    assert await database.messages.count_documents({}) == 0

    backend.signed_with = "an-app-secret"
    assert (await backend.webhook(right)).status == 200
    # The same JSON, written otherwise, is not what was signed.
    import hashlib
    import hmac

    digest = hmac.digest(b"an-app-secret", right, hashlib.sha256).hex()
    plain = json.dumps(webhook, ensure_ascii=False).encode()
    answer = await backend.webhook(plain, **{signature: f"sha256={digest}"})
    assert answer.status == 401


async def test_what_is_no_webhook_is_a_clients_error(backend: Any, database: Any) -> None:
    for raw in (b"", b"{", b"[]", b"{}", b"\xff", b'{"entry": {}}', b"[" * 10_000 + b"]" * 10_000):
        answer = await backend.webhook(raw)
        assert (answer.status, answer.code) == (400, "malformed_webhook"), raw[:20]
    assert await database.quarantine.count_documents({}) == 0
    # One entry that makes no sense, however deep, is set aside alone.
    nested = b'{"entry": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    assert (await backend.webhook(nested)).status == 200
    assert await database.quarantine.count_documents({}) == 1


async def test_an_unknown_number_is_dropped_with_200(
    backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    status = {"id": "wamid.x", "status": "sent"}
    webhook = webhook_of("999999", messages=[text_message()], statuses=[status])
    assert (await backend.webhook(webhook)).status == 200
    for name in ("messages", "customers", "conversations", "parked_statuses", "quarantine"):
        assert await database[name].count_documents({}) == 0
    metrics = (await backend.call("GET", "/metrics")).body.decode()
    assert "manyline_webhook_items_dropped_total 2.0" in metrics


async def test_every_entry_and_change_goes_to_its_own_number(
    backend: Any, text_message: Any
) -> None:
    one, two = await backend.register(ONE), await backend.register(TWO, name="Tenant B")
    first, second, third = (
        await backend.sent(one),
        await backend.sent(two),
        await backend.sent(one),
    )

    def change(number: str, **value: Any) -> dict[str, Any]:
        return {"field": "messages", "value": {"metadata": {"phone_number_id": number}, **value}}

    def status(message_id: str, name: str) -> dict[str, Any]:
        opaque = {"biz_opaque_callback_data": message_id}
        return {"id": f"wamid.{message_id}", "status": name, **opaque}

    webhook = {
        "entry": [
            {
                "changes": [
                    change(ONE, messages=[text_message("a1"), text_message("a2")]),
                    change(TWO, messages=[text_message("b1")], statuses=[status(second, "read")]),
                    change("999999", messages=[text_message("nobody")]),
                ]
            },
            {
                "changes": [
                    change(ONE, statuses=[status(first, "sent"), status(third, "delivered")])
                ]
            },
            {"changes": [change(ONE, messages=[text_message("a3")])]},
        ]
    }
    assert (await backend.webhook(webhook)).status == 200
    of_one, of_two = await backend.messages(one), await backend.messages(two)
    assert [m["body"] for m in of_one if m["direction"] == "IN"] == ["a1", "a2", "a3"]
    assert [m["body"] for m in of_two if m["direction"] == "IN"] == ["b1"]
    replies = [m["body"] for m in of_one + of_two if m["source"] == "auto-reply"]
    assert sorted(replies) == ["thanks for reaching us\n- team Tenant A"] * 3 + [
        "thanks for reaching us\n- team Tenant B"
    ]
    statuses = {m["messageId"]: m["status"] for m in of_one + of_two}
    assert [statuses[each] for each in (first, second, third)] == ["sent", "read", "delivered"]


async def test_redelivered_three_times_at_once_also_to_two_processes(
    backend: Any, open_backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    other = await open_backend(app_secret="an-app-secret")
    tenant_id = await backend.register()
    # New customers as well as known ones, the same customer in several webhooks.
    senders = [f"91911111{n % 25:04}" for n in range(40)]
    webhooks = [webhook_of(messages=[text_message(sender=sender)]) for sender in senders]
    deliveries = [(backend, other, backend)[n % 3].webhook(w) for w in webhooks for n in range(3)]
    answers = await asyncio.gather(*deliveries)
    assert {answer.status for answer in answers} == {200}
    messages = await backend.messages(tenant_id)
    assert sum(m["direction"] == "IN" for m in messages) == 40
    assert sum(m["direction"] == "OUT" for m in messages) == 40
    assert await database.customers.count_documents({}) == 25
    assert await database.conversations.count_documents({}) == 25


async def test_a_repeated_webhook_still_makes_sure_of_its_reply(
    backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    tenant_id = await backend.register()
    webhook = webhook_of(messages=[text_message()])
    await backend.webhook(webhook)
    await database.messages.delete_one({"direction": "OUT"})
    assert (await backend.webhook(webhook)).status == 200
    assert [m["direction"] for m in await backend.messages(tenant_id)] == ["IN", "OUT"]


async def test_one_message_in_two_items_of_one_webhook(
    backend: Any, webhook_of: Any, text_message: Any
) -> None:
    tenant_id = await backend.register()
    message = text_message()
    assert (await backend.webhook(webhook_of(messages=[message, message]))).status == 200
    assert [m["direction"] for m in await backend.messages(tenant_id)] == ["IN", "OUT"]


async def test_every_documented_message_is_stored_with_its_content(
    backend: Any, request: Any
) -> None:
    cases = sorted((request.config.rootpath / "tests/testdata/meta").glob("*.json"))
    tenant_id = await backend.register()
    sent: dict[str, Any] = {}
    for case in cases:
        webhook = json.loads(case.read_bytes())
        for entry in webhook["entry"]:
            for change in entry["changes"]:
                value = change.get("value", {})
                live = change.get("field", "messages") == "messages"
                if live and value.get("metadata", {}).get("phone_number_id") == ONE:
                    sent |= {message["id"]: message for message in value.get("messages", [])}
        assert (await backend.webhook(webhook)).status == 200, case
    stored = {
        m["waMessageId"]: m
        for m in await backend.messages(tenant_id)
        if m["direction"] == "IN" and m["source"] == "webhook"
    }
    assert stored.keys() == sent.keys()
    for wamid, message in sent.items():
        assert stored[wamid]["content"] == message
        assert stored[wamid]["type"] in {message["type"], "unsupported"}
        assert stored[wamid]["status"] == "received"


ODD: list[str] = [
    '{"$ref": "messages", "$id": 1}',
    '{"$ref": "messages"}',
    '{"$set": {"a": 1}, "a.b": 2, "": 3}',
    '{"_id": 7, "tenantId": 8}',
    '{"$oid": "6521a1b2c3d4e5f601234567"}',
    "NaN",
    "-Infinity",
    "1e999",
    str(2**63 - 1),
    str(-(2**63)),
    '"\\u0000"',
    '"\\ud83d\\ude00"',
    '{"a": [[[[]]]]}',
]


async def test_odd_but_storable_content_is_stored_and_can_be_read_back(
    backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    """None of these may spoil the list for the person who reads it."""
    tenant_id = await backend.register()
    for n, odd in enumerate(ODD):
        raw = json.dumps(webhook_of(messages=[text_message(id=f"wamid.{n}", odd="@")]))
        answer = await backend.webhook(raw.replace('"@"', odd).encode())
        assert answer.status == 200, odd
    stored = {m["waMessageId"] for m in await backend.messages(tenant_id) if m["direction"] == "IN"}
    quarantined = await database.quarantine.count_documents({})
    assert len(stored) + quarantined == len(ODD)
    for message in await backend.messages(tenant_id):
        assert (await backend.message(tenant_id, message["messageId"]))["body"]


async def test_a_closed_tenants_mail_is_kept_and_not_answered(
    backend: Any, webhook_of: Any, text_message: Any
) -> None:
    tenant_id = await backend.register()
    await backend.patch(tenant_id, status="closed")
    assert (await backend.webhook(webhook_of(messages=[text_message()]))).status == 200
    assert [m["direction"] for m in await backend.messages(tenant_id)] == ["IN"]
