"""The ledger: what came is kept as it came, and can be applied again, harmlessly."""

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from manyline.base.errors import StoreUnavailableError
from manyline.inbound.ledger.models import Arrival
from manyline.inbound.ledger.packing import pack, unpack
from manyline.inbound.receive import Receiver
from manyline.inbound.voices import Voice
from manyline.runtime.api import open_api
from manyline.tenants.models import TenantSettings
from manyline.tenants.service import NewTenant
from tests.integration.conftest import eventually

A, B = "111111111111111", "444444444444444"
WABA = "102290129340398"  # Of the recorded cases.
LONG_AGO = "2020-01-01T00:00:00Z"
KEPT = (
    *("messages", "customers", "conversations", "parked_statuses"),
    *("quarantine", "account_events", "tenants"),
)


async def kept(database: Any, *, until: int | None = None) -> list[Arrival]:
    """Every webhook in the ledger, oldest first; waits until there are so many."""

    async def read() -> list[Arrival] | None:
        found = database.webhook_ledger.find().sort("_id", 1)
        arrivals = [one async for record in found for one in unpack(record["packed"])]
        return arrivals if until is None or len(arrivals) >= until else None

    found: list[Arrival] = await eventually(read) if until else await read() or []
    return found


async def records(database: Any) -> dict[str, Any]:
    """All that the product has stored but the ledger."""
    found = {
        name: sorted([one async for one in database[name].find()], key=lambda one: str(one["_id"]))
        for name in KEPT
    }
    for conversation in found["conversations"]:
        # When anything came in the last time, also again; nothing of it is shown.
        conversation.pop("lastReceivedAt", None)
    for parked in found["parked_statuses"]:
        # The relay tries these again and again meanwhile.
        parked.pop("tries", None)
        parked.pop("tryAt", None)
    return found


async def replayed(backend: Any, **changes: Any) -> dict[str, Any]:
    """All pages of a replay, added up."""
    given: dict[str, Any] = {"since": LONG_AGO, **changes}
    total: dict[str, Any] = {"webhooks": 0, "items": 0, "pages": 0, "came": {}, "became": {}}
    while True:
        answer = await backend.call("POST", "/webhooks/replay", json=given)
        assert answer.status == 200, answer
        page = answer.body
        total["webhooks"] += page["webhooks"]
        total["items"] += page["items"]
        total["pages"] += 1
        for name in ("came", "became"):
            for word, count in page[name].items():
                total[name][word] = total[name].get(word, 0) + count
        if page["nextCursor"] is None:
            return total
        given |= {"cursor": page["nextCursor"], "until": page["until"]}


async def all_written(backend: Any) -> None:
    """A webhook of nobody's is waited for, and so is all that came before it."""
    value = {"metadata": {"phone_number_id": "999999"}, "statuses": [{"id": "x", "status": "read"}]}
    webhook = {"entry": [{"changes": [{"field": "messages", "value": value}]}]}
    assert (await backend.webhook(webhook)).status == 200


def status(message_id: str, name: str) -> dict[str, Any]:
    told = {"id": f"wamid.{message_id}", "status": name, "timestamp": str(int(time.time()))}
    return told | {"biz_opaque_callback_data": message_id}


async def test_a_webhook_is_kept_as_it_came_with_what_became_of_each_item(
    backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    tenant = ObjectId(await backend.register(A))
    ours = await backend.sent(str(tenant))
    first, second = text_message("one"), text_message("two")
    webhooks = [
        webhook_of(messages=[first]),
        webhook_of(
            messages=[first, second, {"id": "x"}],
            statuses=[status(ours, "sent"), {"id": "wamid.unknown", "status": "read"}],
        ),
        webhook_of("999999", messages=[text_message()]),
        {"entry": []},
    ]
    # As bytes with odd spaces: what is kept is what was signed.
    raw = [json.dumps(one, indent=3).encode() for one in webhooks]
    for one in raw:
        assert (await backend.webhook(one)).status == 200
    for refused in (b"{", b"[]"):
        assert (await backend.webhook(refused)).status == 400
    assert (await backend.webhook(raw[0], **{"X-Hub-Signature-256": "sha256=00"})).status == 401
    found = await kept(database, until=4)
    assert [one.body for one in found] == raw
    assert [one.outcomes for one in found] == ["s", "dsqrp", "-", ""]
    assert [one.voice for one in found] == [
        Voice(True, (tenant,)),
        Voice(True, (tenant,)),
        Voice(True, ()),
        Voice(True, ()),
    ]
    record = await database.webhook_ledger.find_one({"strangers": True})
    assert record["expiresAt"] - record["keptAt"] == timedelta(days=14)
    assert abs(record["keptAt"] - datetime.now(UTC)) < timedelta(seconds=30)
    expiry = (await database.webhook_ledger.index_information())["expiry"]
    assert expiry["key"] == [("expiresAt", 1)]
    assert expiry["expireAfterSeconds"] == 0


async def test_replaying_everything_twice_while_a_worker_runs_changes_nothing(
    *,
    backend: Any,
    simulator: Any,
    webhook_of: Any,
    text_message: Any,
    database: Any,
    request: Any,
    monkeypatch: Any,
) -> None:
    """Every recorded case, and a conversation of today with replies and their statuses."""
    monkeypatch.setattr("manyline.inbound.ledger.replaying.PAGE_SECONDS", 0.05)
    await backend.register(A, wabaId=WABA)
    tenant = await backend.register(B, name="Tenant B")
    await backend.start_worker()
    now = int(time.time())
    talk = [
        text_message("with a time", sender="919000000001", timestamp=str(now)),
        text_message("without one", sender="919000000002"),
        text_message("of yesterday", sender="919000000003", timestamp=str(now - 25 * 3600)),
    ]
    for name, message in zip(("Old", "New", "Other"), (talk[0], talk[0], talk[1]), strict=True):
        contact = {"wa_id": message["from"], "profile": {"name": name}}
        webhook = webhook_of(B, messages=[message], contacts=[contact])
        assert (await backend.webhook(webhook)).status == 200
    assert (await backend.webhook(webhook_of(B, messages=[talk[2]]))).status == 200
    ours = [await backend.sent(tenant, to=f"+91900000001{n}") for n in range(5)]
    for message_id in ours:
        await backend.until_status(tenant, message_id, "read")
    early = status(ours[0], "delivered")  # A late word of what is read already.
    assert (await backend.webhook(webhook_of(B, statuses=[early]))).status == 200
    for case in sorted((request.config.rootpath / Path("tests/testdata/meta")).glob("*.json")):
        assert (await backend.webhook(json.loads(case.read_bytes()))).status == 200, case

    async def quiet() -> bool:
        waiting = {"dueAt": {"$exists": True}, "tenantId": ObjectId(tenant)}
        sent = await database.messages.count_documents({"direction": "OUT", "status": "read"})
        return sent >= 7 and await database.messages.count_documents(waiting) == 0

    await eventually(quiet)
    # Every status that the simulator told is in.
    await eventually(lambda: simulator.webhooks.pending == 0)
    await all_written(backend)
    before, posts = await records(database), len(simulator.journal.entries)
    shown = (await backend.call("GET", f"/tenants/{tenant}/conversations")).body
    webhooks = len(await kept(database))
    of_somebody = sum(one.outcomes.strip("-") != "" for one in await kept(database))
    done = [await replayed(backend) for _ in range(2)]
    for one in done:
        assert one["webhooks"] == of_somebody
        assert one["pages"] > 1
        assert one["became"].keys() <= {"duplicate", "raised", "parked", "noted", "quarantined"}
    after = await records(database)
    for name in KEPT:
        for old, new in zip(before[name], after[name], strict=True):
            changed = {key: (old.get(key), new.get(key)) for key in old | new}
            assert {k: both for k, both in changed.items() if both[0] != both[1]} == {}, name
    assert (await backend.call("GET", f"/tenants/{tenant}/conversations")).body == shown
    # Whatever had been queued would have been sent before this one.
    last = await backend.sent(tenant, to="+919000000099")
    await backend.until_status(tenant, last, "read")
    assert len(simulator.journal.entries) == posts + 1
    assert len(await kept(database)) - webhooks <= 3  # Its statuses; no replay is kept.


async def test_what_was_lost_is_stored_and_answered_unless_it_is_old(
    backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    tenant = await backend.register(A)
    message = text_message("hello", sender="919000000001")
    await backend.webhook(webhook_of(messages=[message]))
    # One without a time of its own, which came the day before yesterday.
    came = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=48)
    old = webhook_of(messages=[text_message("old", sender="919000000002")])
    await all_written(backend)
    arrival = Arrival(came, json.dumps(old).encode(), "s", Voice(True, (ObjectId(tenant),)))
    fields = {"keptAt": came, "tenantIds": [ObjectId(tenant)], "packed": pack([arrival])}
    await database.webhook_ledger.insert_one(fields)
    for name in ("messages", "customers", "conversations"):
        await database[name].delete_many({})
    done = await replayed(backend)
    assert (done["webhooks"], done["items"]) == (2, 2)
    # The process still knows the customer: who is kept in its memory comes back by the next start.
    assert done["became"] == {"stored": 2}
    found = await backend.messages(tenant)
    assert sorted((m["direction"], m["body"][:5]) for m in found) == [
        ("IN", "hello"),
        ("IN", "old"),
        ("OUT", "thank"),
    ]
    stored = await database.messages.find_one({"body": "old"})
    assert stored["sentAt"] == came


async def test_one_tenants_alone_and_a_dry_run(
    backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    one, two = await backend.register(A), await backend.register(B, name="Tenant B")
    mixed = {
        "entry": [
            *webhook_of(A, messages=[text_message("a")])["entry"],
            *webhook_of(B, messages=[text_message("b")], statuses=[{"id": "x"}])["entry"],
        ]
    }
    await backend.webhook(mixed)
    await backend.webhook(webhook_of(A, messages=[text_message("a")]))
    await all_written(backend)
    middle = datetime.now(UTC)
    await backend.webhook(webhook_of(B, messages=[text_message("b")]))
    await all_written(backend)
    await database.messages.delete_many({})
    dry = await replayed(backend, tenantId=two, dryRun=True)
    assert (dry["webhooks"], dry["items"]) == (2, 3)
    assert dry["came"] == {"stored": 2, "quarantined": 1}
    assert dry["became"] == {}
    assert await database.messages.count_documents({}) == 0
    early = await replayed(backend, tenantId=two, until=middle.isoformat())
    assert early["became"] == {"stored": 1, "quarantined": 1}
    late = await replayed(backend, tenantId=two, since=middle.isoformat())
    assert late["became"] == {"stored": 1}
    assert await backend.messages(one) == []
    assert len(await backend.messages(two)) == 4
    unknown = {"since": LONG_AGO, "tenantId": str(ObjectId())}
    assert (await backend.call("POST", "/webhooks/replay", json=unknown)).status == 404


async def test_a_number_that_was_nobodys_gets_its_mail_unless_another_app_signed_it(
    backend: Any, webhook_of: Any, text_message: Any
) -> None:
    await backend.register(A, appSecret="own-a")
    platform = backend.signed_with
    theirs = webhook_of(B, messages=[text_message("from Meta")])
    assert (await backend.webhook(theirs)).status == 200
    backend.signed_with = "own-a"
    planted = {
        "entry": [
            *webhook_of(A, messages=[text_message("a")])["entry"],
            *webhook_of(B, messages=[text_message("planted by A")])["entry"],
        ]
    }
    assert (await backend.webhook(planted)).status == 200
    backend.signed_with = platform
    new = await backend.register(B, name="Tenant B")
    done = await replayed(backend, tenantId=new)
    assert done["came"] == {"nobody's": 1}
    bodies = [m["body"] for m in await backend.messages(new) if m["direction"] == "IN"]
    assert bodies == ["from Meta"]


async def test_a_replay_goes_in_small_batches_and_holds_up_nobody(
    backend: Any, webhook_of: Any, text_message: Any, monkeypatch: Any
) -> None:
    tenant = await backend.register(A)
    webhooks = [
        webhook_of(
            messages=[text_message(sender=f"9190{n:08}") for n in range(m * 20, m * 20 + 20)]
        )
        for m in range(20)
    ]
    await asyncio.gather(*(backend.webhook(one) for one in webhooks))
    await all_written(backend)
    sizes: list[int] = []
    plain = Receiver.apply

    async def noted(self: Receiver, routed: Sequence[Any]) -> Any:
        sizes.append(len(routed))
        return await plain(self, routed)

    monkeypatch.setattr(Receiver, "apply", noted)
    await replayed(backend)
    assert sizes == [100, 100, 100, 100]
    replaying = asyncio.create_task(replayed(backend))
    live = await asyncio.gather(
        *(backend.webhook(webhook_of(messages=[text_message()])) for _ in range(20))
    )
    assert {one.status for one in live} == {200}
    await replaying
    assert sum(m["direction"] == "IN" for m in await backend.messages(tenant)) == 420


async def test_it_can_be_off(
    open_backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    backend = await open_backend(webhook_ledger_days=0)
    await backend.register(A)
    assert (await backend.webhook(webhook_of(messages=[text_message()]))).status == 200
    assert await database.webhook_ledger.count_documents({}) == 0
    answer = await backend.call("POST", "/webhooks/replay", json={"since": LONG_AGO})
    assert (answer.status, answer.code) == (409, "ledger_off")


async def test_what_is_nobodys_is_not_taken_without_the_ledger_and_the_rest_is(
    *, backend: Any, webhook_of: Any, text_message: Any, database: Any, monkeypatch: Any
) -> None:
    tenant = await backend.register(A)
    ours, nobodys = webhook_of(messages=[text_message()]), webhook_of(B, messages=[text_message()])
    tried = asyncio.Event()

    async def away(*_args: object, **_more: object) -> None:
        tried.set()
        raise StoreUnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr("manyline.inbound.ledger.repository.LedgerRepository.add", away)
        assert (await backend.webhook(ours)).status == 200
        await tried.wait()
        assert (await backend.webhook(nobodys)).status == 503
    assert (await backend.webhook(nobodys)).status == 200
    assert sorted(one.outcomes for one in await kept(database, until=2)) == ["-", "s"]
    assert [m["direction"] for m in await backend.messages(tenant)] == ["IN", "OUT"]


async def test_what_goes_wrong_once_does_not_end_the_ledger(
    *, backend: Any, webhook_of: Any, text_message: Any, database: Any, monkeypatch: Any
) -> None:
    await backend.register(A)
    tried = asyncio.Event()

    async def odd(*_args: object, **_more: object) -> None:
        tried.set()
        raise ValueError("odd")

    with monkeypatch.context() as patch:
        patch.setattr("manyline.inbound.ledger.repository.LedgerRepository.add", odd)
        assert (await backend.webhook(webhook_of(messages=[text_message()]))).status == 200
        await tried.wait()
    assert (await backend.webhook(webhook_of(messages=[text_message("b")]))).status == 200
    assert b'"b"' in (await kept(database, until=1))[0].body
    metrics = (await backend.call("GET", "/metrics")).body.decode()
    assert "manyline_webhooks_not_kept_total 1.0" in metrics


async def test_an_orderly_stop_writes_what_waits(
    make_settings: Any, webhook_of: Any, text_message: Any, database: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("manyline.inbound.ledger.keeping.COLLECT_SECONDS", 3600.0)
    settings = make_settings(app_secret="an-app-secret")
    async with open_api(settings, progress=lambda _line: None) as api:
        body = json.dumps(webhook_of(messages=[text_message()])).encode()
        digest = hmac.digest(b"an-app-secret", body, hashlib.sha256).hex()
        registered = NewTenant(
            name="A", phone_number_id=A, access_token="EAAG", settings=TenantSettings()
        )
        await api.foundation.tenants.register(registered)
        await api.receiver.receive(body, f"sha256={digest}")
        assert await kept(database) == []
    assert [one.body for one in await kept(database)] == [body]


@pytest.mark.parametrize("cursor", ["x", "A" * 27, "_" * 27])
async def test_a_foreign_cursor_is_refused(backend: Any, cursor: str) -> None:
    given = {"since": LONG_AGO, "cursor": cursor}
    answer = await backend.call("POST", "/webhooks/replay", json=given)
    assert answer.status in (200, 400)
    if answer.status == 400:
        assert answer.code == "bad_cursor"


async def test_large_webhooks_at_once_are_spread_over_documents(
    *, backend: Any, webhook_of: Any, text_message: Any, database: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("manyline.inbound.ledger.keeping.MOST_BYTES", 500_000)
    await backend.register(A)
    webhooks = [
        json.dumps(webhook_of(messages=[text_message(odd=secrets.token_hex(150_000))])).encode()
        for _ in range(5)
    ]
    answers = await asyncio.gather(*(backend.webhook(one) for one in webhooks))
    assert {one.status for one in answers} == {200}
    assert sorted(one.body for one in await kept(database, until=5)) == sorted(webhooks)
    assert (await replayed(backend))["became"] == {"duplicate": 5}


async def test_what_has_no_time_of_its_own_is_as_old_as_its_webhook(
    backend: Any, webhook_of: Any, database: Any
) -> None:
    await backend.register(A)
    echo = {"id": "wamid.1", "to": "919111111111", "type": "text", "text": {"body": "hi"}}
    webhook = webhook_of(A, message_echoes=[echo])
    webhook["entry"][0]["changes"][0]["field"] = "smb_message_echoes"
    assert (await backend.webhook(webhook)).status == 200
    said_at = (await database.messages.find_one())["sentAt"]
    await all_written(backend)
    await database.messages.delete_many({})
    assert (await replayed(backend))["became"] == {"stored": 1}
    assert (await database.messages.find_one())["sentAt"] == said_at
