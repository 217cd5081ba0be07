"""Meta promises no order and repeats itself: however a stream comes, the same records are left.

Each example sends one stream to two tenants: to one in order, each item in a webhook of its own; to
the other shuffled, doubled and regrouped over entries, changes and webhooks, also at the same time.
What our own clock says, and ids of ours, are left out of the comparison; nothing else is.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from manyline.inbound.raising.repository import StatusRepository
from manyline.inbound.repository import ParkedStatusRepository
from manyline.inbound.statuses import StatusBoard
from manyline.observability.metrics import InboundMetrics

SECONDS = 45.0
"""After so long the remaining examples are empty."""
THEN, LATER = 1795100000, 1900000000
"""Before the sends, for customers' words; after them, for statuses."""
ASHA, BRUNO, USER = "919111111111", "5511987654321", "IN.4711"

Change = dict[str, Any]
Make = Callable[["Side"], Change]


class Side:
    """One of the two tenants, and the messages that it sent."""

    def __init__(self, tenant_id: str, number: str, waba: str, sent: list[str]) -> None:
        self.tenant_id = tenant_id
        self.number = number
        self.waba = waba
        self.sent = sent

    def change(self, field: str = "messages", **value: Any) -> Change:
        return {"field": field, "value": {"metadata": {"phone_number_id": self.number}, **value}}

    def news(self, field: str, at: int, **value: Any) -> Change:
        """Of an account: its time stands in the entry."""
        return {"field": field, "value": value, "entry_time": at}


def written(wamid: str, at: int, sender: str | None = ASHA, **more: Any) -> Make:
    who: dict[str, Any] = {} if sender is None else {"from": sender}
    content = {"type": "text", "text": {"body": wamid}} | more
    message = {**who, "id": wamid, "timestamp": str(THEN + at), **content}
    profile = {"profile": {"name": f"Name at {at}"}}
    keys = {"wa_id": sender} if sender is not None else {"user_id": USER}
    return lambda side: side.change(messages=[message], contacts=[{**profile, **keys}])


def about(wamid: str, at: int, kind: str, **part: Any) -> Make:
    return written(wamid, at, type=kind, **{kind: part})


def told(nth: int, status: str, at: int, *, ours: bool = True, **more: Any) -> Make:
    """A status of the nth message that the tenant sent."""

    def make(side: Side) -> Change:
        opaque = {"biz_opaque_callback_data": side.sent[nth]} if ours else {}
        one = {"id": f"wamid.sent.{nth}", "status": status, "timestamp": str(LATER + at)}
        return side.change(statuses=[one | opaque | more])

    return make


def status_of(wamid: str, status: str, at: int, **more: Any) -> Make:
    one = {"id": wamid, "status": status, "timestamp": str(LATER + at), **more}
    return lambda side: side.change(statuses=[one])


def echo(wamid: str, at: int, **content: Any) -> Make:
    one = {"id": wamid, "from": "1555", "to": ASHA, "timestamp": str(THEN + at)}
    one |= content or {"type": "text", "text": {"body": wamid}}
    return lambda side: side.change("smb_message_echoes", message_echoes=[one])


def thread(*messages: dict[str, Any], customer: str = ASHA) -> Make:
    history = [{"threads": [{"id": customer, "messages": list(messages)}]}]
    return lambda side: side.change("history", history=history)


def past(wamid: str, at: int, status: str = "DELIVERED", *, own: bool = True) -> dict[str, Any]:
    return {
        "id": wamid,
        "from": "15550001" if own else ASHA,
        "to": ASHA if own else "15550001",
        "timestamp": str(THEN + at),
        "type": "text",
        "text": {"body": wamid},
        "history_context": {"status": status, "from_me": own},
    }


def placeholder(wamid: str, at: int) -> dict[str, Any]:
    told = past(wamid, at, "PLAYED") | {"type": "media_placeholder"}
    return {key: part for key, part in told.items() if key != "text"}


def picture(wamid: str, at: int) -> Make:
    """What a placeholder stands for: without its thread nobody knows who said it."""
    told = {"from": ASHA, "id": wamid, "timestamp": str(THEN + at), "type": "image"}
    return lambda side: side.change("history", messages=[told | {"image": {"id": "4711"}}])


def preference(at: int, value: str, who: str = BRUNO) -> Make:
    one = {"wa_id": who, "category": "marketing_messages", "value": value}
    one |= {"timestamp": str(THEN + at)}
    return lambda side: side.change("user_preferences", user_preferences=[one])


def synced(at: int, name: str, phone: str) -> Make:
    one = {
        "type": "contact",
        "contact": {"full_name": name, "phone_number": phone},
        "action": "add",
        "metadata": {"timestamp": str(THEN + at)},
    }
    return lambda side: side.change("smb_app_state_sync", state_sync=[one])


def account(at: int, field: str = "account_update", **value: Any) -> Make:
    return lambda side: side.news(field, THEN + at, **value)


def disabled(at: int, state: str) -> Make:
    return account(at, event="DISABLED_UPDATE", ban_info={"waba_ban_state": state})


PRICING = {"billable": True, "pricing_model": "PMP", "category": "utility"}
FAILED = {"errors": [{"code": 131047, "title": "Re-engagement message"}]}
STREAM: list[Make] = [
    written("wamid.1", 10),
    written("wamid.2", 20),
    written("wamid.3", 15, BRUNO),
    written("wamid.4", 30, "5511987654321"[:4] + "87654321"),  # The same, without the 9.
    written("wamid.5", 12, None, from_user_id=USER),
    written("wamid.6", 40, ASHA, from_user_id=USER),
    written("wamid.odd", 33, odd="\ud800"),
    written("wamid.9", 55),  # Within one second: Meta tells no less.
    written("wamid.10", 55),
    about("wamid.r1", 21, "reaction", message_id="wamid.1", emoji="👍"),
    about("wamid.r2", 25, "reaction", message_id="wamid.1", emoji=""),
    about("wamid.e1", 22, "edit", original_message_id="wamid.2", message={"type": "text"}),
    about("wamid.v1", 24, "revoke", original_message_id="wamid.2"),
    told(0, "sent", 1, pricing=PRICING),
    told(0, "delivered", 3, pricing={**PRICING, "billable": False}),
    told(0, "read", 5),
    told(0, "delivered", 4, ours=False),
    told(1, "failed", 2, **FAILED),
    told(1, "sent", 1),
    told(2, "failed", 2, **FAILED),
    told(2, "delivered", 6),
    status_of("wamid.echo.1", "read", 9),
    status_of("wamid.echo.1", "sent", 7),
    status_of("wamid.echo.1", "sent", 7, pricing=PRICING),
    status_of("wamid.echo.1", "delivered", 8),
    status_of("wamid.echo.1", "delivered", 6),
    status_of("wamid.past.1", "read", 7),
    echo("wamid.echo.1", 50),
    echo("wamid.echo.2", 51),
    echo("wamid.echo.3", 52, type="revoke", revoke={"original_message_id": "wamid.echo.2"}),
    # The past, and what came live as well.
    thread(past("wamid.past.1", 1), past("wamid.past.2", 2, own=False)),
    thread(past("wamid.past.1", 1, "READ"), past("wamid.echo.2", 51, "READ")),
    thread(past("wamid.1", 10, own=False), past("wamid.7", 3, own=False)),
    written("wamid.7", 3),
    thread(placeholder("wamid.8", 4)),
    picture("wamid.8", 4),
    picture("wamid.11", 6),
    echo("wamid.11", 6),
    thread(past("wamid.12", 7, "SENT")),
    written("wamid.12", 7),
    preference(5, "stop"),
    preference(9, "resume"),
    preference(7, "stop"),
    preference(9, "resume", ASHA),
    preference(9, "stop", ASHA),
    synced(60, "Asha of the phone", "+91 91111 11111"),
    synced(61, "Somebody", "+14155550123"),
    disabled(1, "DISABLE"),
    disabled(5, "REINSTATE"),
    disabled(3, "DISABLE"),
    account(4, "business_capability_update", max_daily_conversations_per_business="TIER_1K"),
    account(8, "business_capability_update", max_daily_conversations_per_business="TIER_2K"),
    account(8, "business_capability_update", max_daily_conversations_per_business="TIER_10K"),
    lambda side: side.change(messages=["no object"]),
]

numbers = itertools.count(10_000)


@pytest.fixture
def board(mongo: Any) -> StatusBoard:
    """Tries parked statuses again, as the worker does."""
    from prometheus_client import CollectorRegistry

    class NoAftermath:
        async def of(self, _change: object) -> None:
            """The errors in here mean nothing beyond their messages."""

    class Clock:
        def now(self) -> datetime:
            return datetime.now(UTC)

    return StatusBoard(
        statuses=StatusRepository(mongo.database),
        parked=ParkedStatusRepository(mongo.database),
        aftermath=NoAftermath(),  # type: ignore[arg-type]
        clock=Clock(),
        metrics=InboundMetrics(CollectorRegistry()),
    )


async def test_any_order_leaves_the_same_records(
    backend: Any, database: Any, board: StatusBoard
) -> None:
    started = time.monotonic()
    examples = 0
    loop = asyncio.get_running_loop()

    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        seed=st.integers(0, 2**32 - 1),
        picked=st.lists(st.sampled_from(range(len(STREAM))), min_size=1, max_size=80),
        at_once=st.integers(1, 4),
        whole=st.booleans(),
    )
    def hold(seed: int, picked: list[int], at_once: int, whole: bool) -> None:
        nonlocal examples
        if time.monotonic() - started < SECONDS:
            # Every second example has every item at least once.
            stream = sorted({*range(len(STREAM))} if whole else {*picked})
            shuffled = stream + picked if whole else list(picked)
            random.Random(seed).shuffle(shuffled)
            work = one_example(backend, database, board, stream, shuffled, seed, at_once)
            asyncio.run_coroutine_threadsafe(work, loop).result(timeout=30)
            examples += 1

    await asyncio.to_thread(hold)
    assert examples >= 5


async def one_example(  # noqa: PLR0917
    backend: Any,
    database: Any,
    board: StatusBoard,
    stream: list[int],
    shuffled: list[int],
    seed: int,
    at_once: int,
) -> None:
    plain, odd = [await new_side(backend) for _ in range(2)]
    for nth in stream:
        await post(backend, [webhook(plain, [[STREAM[nth](plain)]])])
    parts = regrouped([STREAM[nth](odd) for nth in shuffled], random.Random(seed))
    bodies = [webhook(odd, entries) for entries in parts]
    for n in range(0, len(bodies), at_once):
        await post(backend, bodies[n : n + at_once])
    await try_parked_again(database, board)
    left, right = await records(database, plain), await records(database, odd)
    assert sorted(differing(left, right)) == []


async def new_side(backend: Any) -> Side:
    number, waba = str(next(numbers)), str(next(numbers))
    tenant_id = await backend.register(
        number, wabaId=waba, settings={"autoReply": {"enabled": True, "text": "hi"}}
    )
    sent = [await backend.sent(tenant_id, idempotency_key=f"key {n}") for n in range(3)]
    return Side(tenant_id, number, waba, sent)


def regrouped(changes: list[Change], choice: random.Random) -> Iterator[list[list[Change]]]:
    """Webhooks of one to five entries of one to five changes."""
    rest = iter(changes)
    while entries := [
        changes
        for _ in range(choice.randint(1, 5))
        if (changes := list(itertools.islice(rest, choice.randint(1, 5))))
    ]:
        yield entries


def webhook(side: Side, entries: list[list[Change]]) -> dict[str, Any]:
    """Changes that have a time of their own stand in entries of their own."""
    made: list[dict[str, Any]] = []
    for changes in entries:
        for change in changes:
            told = dict(change)
            at = told.pop("entry_time", None)
            entry: dict[str, Any] = {"id": side.waba, "changes": [told]}
            made.append(entry if at is None else entry | {"time": at})
        untimed = [one for one in made if "time" not in one]
        if len(untimed) > 1:
            together = {"id": side.waba, "changes": [c for e in untimed for c in e["changes"]]}
            made = [one for one in made if "time" in one] + [together]
    return {"object": "whatsapp_business_account", "entry": made}


async def post(backend: Any, bodies: list[dict[str, Any]]) -> None:
    answers = await asyncio.gather(*(backend.webhook(body) for body in bodies))
    assert {answer.status for answer in answers} == {200}


async def try_parked_again(database: Any, board: StatusBoard) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=1)
    await database.parked_statuses.update_many({}, {"$set": {"tryAt": long_ago}})
    while await board.retry_parked():
        await database.parked_statuses.update_many({}, {"$set": {"tryAt": long_ago}})
    await database.parked_statuses.update_many(
        {}, {"$set": {"tryAt": datetime(3000, 1, 1, tzinfo=UTC)}}
    )


# Ids of ours, and what our own clock says.
NOT_COMPARED = {"_id", "seq", "createdAt", "tenantId", "phoneNumberId", "dueAt", "lastReceivedAt"}
NOT_COMPARED |= {"conversationId", "requestHash", "sweepAt", "sweeps", "movedAt", "messageId"}
NOT_COMPARED |= {"tryAt", "tries", "expiresAt", "wabaId"}
WRITTEN_TO = ("tel:+919012345678",)
"""By the tenant alone, so the times in that conversation are ours."""
OUR_TIMES = {"received", "queued"}


async def records(database: Any, side: Side) -> dict[str, Any]:
    """All that the tenant has, by names that are the same for both."""
    mine = {"tenantId": ObjectId(side.tenant_id)}
    customers = [
        c async for c in database.customers.find({**mine, "mergedInto": {"$exists": False}})
    ]
    people = {customer["_id"]: tuple(sorted(customer["identities"])) for customer in customers}
    messages = [m async for m in database.messages.find(mine)]
    tenant = await database.tenants.find_one({"_id": ObjectId(side.tenant_id)})
    return {
        "tenant": {k: tenant.get(k) for k in ("status", "pausedReason", "pausedCode", "account")},
        "customers": {
            people[c["_id"]]: {**compared(c), "identities": people[c["_id"]]} for c in customers
        },
        "conversations": {
            people[c["_id"]]: compared(c)
            async for c in database.conversations.find(mine)
            if people[c["_id"]] != WRITTEN_TO
        },
        "messages": {
            m.get("idempotencyKey") or m["waMessageId"]: {
                **compared(m),
                "statusAt": {k: v for k, v in m["statusAt"].items() if k not in OUR_TIMES},
                "person": people[m["conversationId"]],
            }
            for m in messages
        },
        "parked": await told_in(database.parked_statuses, mine),
        "events": await told_in(database.account_events, mine),
        "quarantine": sorted([bytes(q["raw"]) async for q in database.quarantine.find(mine)]),
    }


async def told_in(collection: Any, mine: dict[str, Any]) -> list[str]:
    found = [compared(document) async for document in collection.find(mine)]
    return sorted(repr(sorted(one.items(), key=str)) for one in found)


def differing(left: Any, right: Any, path: str = "") -> Iterator[str]:
    """Where two records differ, and how; short enough to read."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in left.keys() | right.keys():
            yield from differing(left.get(key), right.get(key), f"{path}/{key}")
    elif left != right:
        yield f"{path}: {left!r} in order, {right!r} shuffled"


def compared(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in NOT_COMPARED}
