"""Whose webhooks count for whom, over HTTP and with real stores."""

import asyncio
import hashlib
import hmac
import http.client
import json
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from bson import ObjectId
from structlog.testing import capture_logs

A, B, C = "111111111111111", "222222222222222", "333333333333333"
SHARED = "an-app-secret"
STORED = ("messages", "customers", "conversations", "parked_statuses", "quarantine")


def signature(body: bytes, secret: str) -> str:
    return "sha256=" + hmac.digest(secret.encode(), body, hashlib.sha256).hex()


async def signed(backend: Any, webhook: Any, secret: str | None) -> Any:
    backend.signed_with = secret
    return await backend.webhook(webhook)


async def stored(database: Any) -> int:
    return sum([await database[name].count_documents({}) for name in STORED])


async def metric(backend: Any, name: str) -> float:
    text = (await backend.call("GET", "/metrics")).body.decode()
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(name)))


def many(*webhooks: dict[str, Any]) -> dict[str, Any]:
    return {"entry": [entry for webhook in webhooks for entry in webhook["entry"]]}


@pytest.fixture
async def tenants(backend: Any) -> tuple[str, str, str]:
    """A and B have an app each, C is of the platform's."""
    return (
        await backend.register(A, appSecret="own-a"),
        await backend.register(B, appSecret="own-b", name="Tenant B"),
        await backend.register(C, name="Tenant C"),
    )


@pytest.mark.parametrize(
    ("secret", "numbers", "alarmed"),
    [
        ("own-a", [B], [B]),
        ("own-a", [C], [C]),
        ("own-a", [A, B], [B]),
        ("own-a", [B, A, C], [B, C]),
        (SHARED, [A], [A]),
        (SHARED, [C, A], [A]),
        ("nobody's", [B], [B]),
    ],
)
async def test_one_app_cannot_forge_anothers_traffic(
    *,
    backend: Any,
    tenants: tuple[str, str, str],
    webhook_of: Any,
    text_message: Any,
    database: Any,
    secret: str,
    numbers: list[str],
    alarmed: list[str],
) -> None:
    ids = dict(zip((A, B, C), tenants, strict=True))
    message_id = await backend.sent(ids[numbers[0]])
    status = {"id": "wamid.x", "status": "read", "biz_opaque_callback_data": message_id}
    before = await stored(database)
    webhook = many(*(webhook_of(n, messages=[text_message()], statuses=[status]) for n in numbers))
    with capture_logs() as lines:
        answer = await signed(backend, webhook, secret)
    assert (answer.status, answer.code) == (401, "bad_signature")
    assert await stored(database) == before
    message = await backend.message(ids[numbers[0]], message_id)
    assert (message["status"], message["waMessageId"]) == ("queued", None)
    (line,) = [line for line in lines if line["event"] == "webhook.foreign_app"]
    assert line["log_level"] == "error"
    assert line["tenants"] == sorted(ids[number] for number in alarmed)
    assert await metric(backend, "manyline_webhooks_of_a_foreign_app_total") == 1
    told = repr(lines) + repr(answer.body)
    for word in ("own-a", "own-b", SHARED, signature(json.dumps(webhook).encode(), secret)[7:]):
        assert word not in told


async def test_each_app_is_heard_for_its_own_tenants(
    backend: Any, tenants: tuple[str, str, str], webhook_of: Any, text_message: Any
) -> None:
    for number, secret, tenant_id in zip(
        (A, B, C), ("own-a", "own-b", SHARED), tenants, strict=True
    ):
        for numbers in ([number], [number, "999999"]):
            webhook = many(*(webhook_of(each, messages=[text_message("hi")]) for each in numbers))
            assert (await signed(backend, webhook, secret)).status == 200
        found = await backend.messages(tenant_id)
        assert [m["body"] for m in found if m["direction"] == "IN"] == ["hi", "hi"]


async def test_tenants_of_one_app_may_share_a_webhook(
    backend: Any, webhook_of: Any, text_message: Any
) -> None:
    for number in (A, B):
        await backend.register(number, appSecret="of-both")
    webhook = many(*(webhook_of(number, messages=[text_message()]) for number in (A, B)))
    assert (await signed(backend, webhook, "of-both")).status == 200


async def test_nobodys_numbers_are_dropped_only_where_the_platform_signs(
    backend: Any, tenants: tuple[str, str, str], webhook_of: Any, text_message: Any
) -> None:
    webhook = webhook_of("999999", messages=[text_message()])
    assert (await signed(backend, webhook, SHARED)).status == 200
    assert (await signed(backend, webhook, "own-a")).status == 401
    assert (await signed(backend, webhook, "nobody's")).status == 401


async def test_a_tenants_secret_is_changed_without_losing_a_webhook(
    *, backend: Any, webhook_of: Any, text_message: Any, database: Any
) -> None:
    tenant_id = await backend.register(A, appSecret="first")

    async def status(secret: str) -> int:
        answer = await signed(backend, webhook_of(A, messages=[text_message()]), secret)
        return int(answer.status)

    assert [await status(one) for one in ("first", "second")] == [200, 401]
    assert (await backend.patch(tenant_id, appSecret="second")).status == 200
    assert [await status(one) for one in ("first", "second")] == [200, 200]
    # Told once more, as a client does that got no answer: the first is still good.
    assert (await backend.patch(tenant_id, appSecret="second")).status == 200
    assert (await backend.patch(tenant_id, name="Renamed")).status == 200
    assert (await backend.patch(tenant_id, accessToken="mock_new")).status == 200
    assert [await status(one) for one in ("first", "second")] == [200, 200]
    # A week later.
    document = await database.tenants.find_one({"_id": ObjectId(tenant_id)})
    until = document["previousAppSecret"]["until"].replace(tzinfo=UTC)
    assert timedelta(days=6.9) < until - datetime.now(UTC) <= timedelta(days=7)
    over = {"previousAppSecret.until": datetime.now(UTC), "updatedAt": datetime.now(UTC)}
    await database.tenants.update_one(
        {"_id": ObjectId(tenant_id)}, {"$set": over, "$inc": {"version": 1}}
    )
    await backend.patch(tenant_id, name="Renamed again")
    assert [await status(one) for one in ("first", "second")] == [401, 200]
    document = await database.tenants.find_one({"_id": ObjectId(tenant_id)})
    assert "previousAppSecret" not in document


async def test_taking_a_secret_away_ends_both_at_once(
    backend: Any, webhook_of: Any, text_message: Any
) -> None:
    tenant_id = await backend.register(A, appSecret="first")
    await backend.patch(tenant_id, appSecret="second")
    assert (await backend.patch(tenant_id, appSecret=None)).body["hasAppSecret"] is False
    answers = {
        secret: (await signed(backend, webhook_of(A, messages=[text_message()]), secret)).status
        for secret in ("first", "second", SHARED)
    }
    assert answers == {"first": 401, "second": 401, SHARED: 200}


async def test_no_secret_is_stored_or_shown_in_the_clear(backend: Any, database: Any) -> None:
    tenant_id = await backend.register(A, appSecret="hush-first")
    shown = [await backend.patch(tenant_id, appSecret="hush-second")]
    shown += [await backend.call("GET", f"/tenants/{tenant_id}")]
    document = await database.tenants.find_one({"_id": ObjectId(tenant_id)})
    assert "hush" not in repr(shown) + repr(document)


async def test_the_platforms_secret_is_changed_with_two(
    open_backend: Any, webhook_of: Any, text_message: Any
) -> None:
    backend = await open_backend(app_secret="new,old")
    await backend.register(A)
    webhook = webhook_of(A, messages=[text_message()])
    statuses = [(await signed(backend, webhook, one)).status for one in ("new", "old", "new,old")]
    assert statuses == [200, 200, 401]


async def test_without_app_secret_a_tenant_with_its_own_still_asks_for_it(
    open_backend: Any, webhook_of: Any, text_message: Any
) -> None:
    backend = await open_backend()
    await backend.register(A, appSecret="own-a")
    await backend.register(C)
    statuses = {}
    for numbers in ((A,), (C,), (A, C)):
        webhook = many(*(webhook_of(number, messages=[text_message()]) for number in numbers))
        for secret in (None, "own-a", "nobody's"):
            statuses[numbers, secret] = (await signed(backend, webhook, secret)).status
    refused = {each for each, status in statuses.items() if status == 401}
    assert refused == {(n, s) for n in ((A,), (A, C)) for s in (None, "nobody's")}
    assert set(statuses.values()) == {200, 401}


def posted(url: str, body: bytes, lines: Iterable[str]) -> tuple[int, bytes]:
    """A POST with these signature lines, each as a header of its own, as they are."""
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)) as connection:
        connection.putrequest("POST", "/whatsapp/webhook", skip_accept_encoding=True)
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        for line in lines:
            connection.putheader("X-Hub-Signature-256", line.encode("latin-1"))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()


async def test_a_signature_must_be_one_and_whole(
    backend: Any, tenants: tuple[str, str, str], webhook_of: Any, text_message: Any, database: Any
) -> None:
    for number, secret in ((C, SHARED), (A, "own-a")):
        body = json.dumps(webhook_of(number, messages=[text_message()])).encode()
        right, wrong = signature(body, secret), "sha256=" + "0" * 64
        before = await stored(database)
        for lines in (
            [],
            [""],
            [wrong],
            [right, right],
            [right, wrong],
            [wrong, right],
            [right, ""],
            [f"{right},{right}"],
            [f"{right}, {wrong}"],
            [right[7:]],
            [right.upper()],
            ["sha256=" + right[7:].upper()],
            ["SHA256=" + right[7:]],
            ["sha1=" + right[7:47]],
            [right[:-1]],
            [right + "0"],
            ["sha256= " + right[7:]],
            ["sha256=é" + right[8:]],
            ["sha256=\xff\xfe"],
            ["sha256=" + "0" * 30_000],
        ):
            status, said = await asyncio.to_thread(posted, backend.url, body, lines)
            assert status == 401, (lines, status)
            assert json.loads(said)["code"] == "bad_signature"
            assert right[7:].encode() not in said
        # What no server takes as a header at all is refused before us.
        huge = ["sha256=" + "0" * 1_000_000]
        try:
            status, said = await asyncio.to_thread(posted, backend.url, body, huge)
        except (ConnectionError, http.client.HTTPException):
            pass  # Hung up on before it had sent it all.
        else:
            assert 400 <= status < 500
            assert right[7:].encode() not in said
        assert await stored(database) == before
        status, _ = await asyncio.to_thread(posted, backend.url, body, [right])
        assert status == 200


async def test_who_reads_the_answer_learns_nothing_of_our_tenants(
    backend: Any, tenants: tuple[str, str, str], webhook_of: Any, text_message: Any
) -> None:
    said = set()
    for number in (A, C, "999999"):
        answer = await signed(backend, webhook_of(number, messages=[text_message()]), "a guess")
        answer.body.pop("request_id")
        said.add(json.dumps(answer.body))
    assert len(said) == 1
