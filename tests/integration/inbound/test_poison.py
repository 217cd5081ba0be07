"""Poison among fifty good ones: fifty stored and answered, the poison set aside, and 200."""

import asyncio
import json
from typing import Any

import pytest

from manyline.messages.models import Inserted
from manyline.messages.repository import MessageRepository

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


async def test_no_time_is_too_far_off(backend: Any, text_message: Any, database: Any) -> None:
    """What is done with times must not fail for what shares the write with such a one."""
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    # Who had the new number before, and what Graph says of them, is looked at by time.
    former = text_message(sender="919222222222")
    assert (await backend.webhook(of_one(messages=[former]))).status == 200
    moved = {"type": "user_changed_number", "wa_id": "919222222222", "body": "moved"}
    failed = {"biz_opaque_callback_data": message_id, "errors": [{"code": 131050}]}
    for n, at in enumerate(("-62135596800", "253402300799", "-1", "4294967296")):
        system = {"id": f"wamid.system.{n}", "type": "system", "from": "919111111111"}
        webhook = of_one(
            messages=[
                system | {"timestamp": at, "system": moved},
                text_message(id=f"wamid.text.{n}", timestamp=at),
            ],
            statuses=[{"id": "wamid.s", "status": "failed", "timestamp": at} | failed],
        )
        assert (await backend.webhook(webhook)).status == 200, at
        assert await database.messages.count_documents({"waMessageId": f"wamid.text.{n}"}) == 1
    assert (await backend.message(tenant_id, message_id))["status"] == "failed"


async def test_what_the_server_refuses_is_set_aside(
    backend: Any, text_message: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what has a BSON form nothing is known that it refuses, so the refusal is made up."""
    tenant_id = await backend.register(settings={"autoReply": {"enabled": False}})
    insert = MessageRepository.insert

    async def refusing(repository: MessageRepository, documents: Any) -> list[Inserted]:
        outcomes = await insert(repository, [d for d in documents if d["body"] != "bad"])
        stored = iter(outcomes)
        refused = Inserted(new=False, refusal="refused by the server")
        return [refused if d["body"] == "bad" else next(stored) for d in documents]

    monkeypatch.setattr(MessageRepository, "insert", refusing)
    texts = [text_message(text, id=f"wamid.{text}") for text in ("one", "bad", "two")]
    assert (await backend.webhook(of_one(messages=texts))).status == 200
    assert [m["body"] for m in await backend.messages(tenant_id)] == ["one", "two"]
    [item] = [each async for each in database.quarantine.find()]
    assert (item["reason"], str(item["tenantId"])) == ("refused by the server", tenant_id)
    assert json.loads(item["raw"])["id"] == "wamid.bad"


def of_one(**value: Any) -> dict[str, Any]:
    value = {"metadata": {"phone_number_id": "111111111111111"}, **value}
    return {"entry": [{"changes": [{"value": value}]}]}
