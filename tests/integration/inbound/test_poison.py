"""Poison among fifty good ones: fifty stored and answered, the poison set aside, and 200."""

import asyncio
import json
from typing import Any

import pytest

POISON = {
    "lone surrogate": '"\\ud800"',
    "65-bit integer": str(2**64),
    "NUL in a key": '{"a\\u0000b": 1}',
    "depth 300": "[" * 300 + "]" * 300,
    "depth 95": '{"a":' * 95 + "1" + "}" * 95,
    "surrogate in a key": '{"\\udfff": 1}',
}


def poisoned(message: dict[str, Any], poison: str) -> str:
    return json.dumps({**message, "odd": "@"}).replace('"@"', poison)


async def settled(database: Any, *, poison: int) -> None:
    assert await database.messages.count_documents({"direction": "IN"}) == 50
    assert await database.messages.count_documents({"direction": "OUT"}) == 50
    assert await database.quarantine.count_documents({}) == poison
    async for item in database.quarantine.find():
        assert item["reason"]
        assert item["tenantId"]
        assert b"wamid.poison" in bytes(item["raw"])


@pytest.mark.parametrize("name", POISON)
async def test_in_one_request(backend: Any, text_message: Any, database: Any, name: str) -> None:
    await backend.register()
    good = [json.dumps(text_message(sender=f"91911111{n:04}")) for n in range(50)]
    good.insert(25, poisoned(text_message(id="wamid.poison"), POISON[name]))
    value = '{"metadata": {"phone_number_id": "111111111111111"}, "messages": [%s]}' % ",".join(
        good
    )
    raw = ('{"entry": [{"changes": [{"value": %s}]}]}' % value).encode()
    for _ in range(2):  # Meta repeats itself, and nothing is kept twice.
        assert (await backend.webhook(raw)).status == 200
        await settled(database, poison=1)


async def test_in_one_flush(
    backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    await backend.register()
    good = [webhook_of(messages=[text_message(sender=f"91911111{n:04}")]) for n in range(50)]
    bad = [
        json.dumps(webhook_of(messages=["@"])).replace(
            '"@"', poisoned(text_message(id=f"wamid.poison.{n}"), poison)
        )
        for n, poison in enumerate(POISON.values())
    ]
    answers = await asyncio.gather(
        *(backend.webhook(w) for w in good[:25]),
        *(backend.webhook(raw.encode()) for raw in bad),
        *(backend.webhook(w) for w in good[25:]),
    )
    assert {answer.status for answer in answers} == {200}
    await settled(database, poison=len(POISON))


async def test_poison_in_every_other_place_a_webhook_has(
    backend: Any, text_message: Any, database: Any
) -> None:
    """Names, ids, numbers, statuses and errors: what shares a write must be storable."""
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    for n, poison in enumerate([*POISON.values(), "9" * 5_000, "NaN", "[]", "{}", "null", "1e999"]):
        good = json.dumps(text_message(id=f"wamid.good.{n}"))
        status = '{"id": "wamid.s%d", "biz_opaque_callback_data": "%s"' % (n, message_id)
        value = (
            '{"metadata": {"phone_number_id": "111111111111111"},'
            '"contacts": [@, {"wa_id": "919111111111", "profile": {"name": @}}],'
            f'"messages": [{good}, @, {{"id": @, "from": "919111111111"}},'
            ' {"id": "wamid.x", "from": @}, {"id": "wamid.y", "from_user_id": @}],'
            f'"statuses": [@, {status}, "status": "sent", "pricing": {{"type": @, "x": @}}}},'
            f' {status}, "status": "failed", "errors": [{{"code": @, "title": @,'
            ' "error_data": {"details": @}}]}, {"id": "wamid.z", "status": @}]}'
        ).replace("@", poison)
        raw = ('{"entry": [@, {"changes": [@, {"value": %s}]}]}' % value).replace("@", poison)
        assert (await backend.webhook(raw.encode())).status == 200, n
        assert await database.messages.count_documents({"waMessageId": f"wamid.good.{n}"}) == 1
    assert (await backend.message(tenant_id, message_id))["status"] in {"sent", "failed"}
