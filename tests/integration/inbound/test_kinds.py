"""Every type and field of Meta's webhooks, and what a tenant sees of it through the API.

Each case of testdata/meta is sent to a tenant of its own, so that none can lean on another.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

NUMBER, WABA = "111111111111111", "102290129340398"
SHEENA, USER = "+16505551234", "US.13491208655302741918"

Tenant = dict[str, Any]
Deliver = Callable[..., Awaitable[Tenant]]


def seen(type_: str, body: str = "", **more: Any) -> dict[str, Any]:
    """A message of the customer, as it is listed."""
    told = {"direction": "IN", "source": "webhook", "status": "received", "from": SHEENA}
    return {**told, "type": type_, "body": body, **more}


def by_phone(type_: str, body: str = "", **more: Any) -> dict[str, Any]:
    """A message that the business wrote on its phone."""
    told = {"direction": "OUT", "source": "phone", "status": "sent", "to": SHEENA, "from": None}
    return {**told, "type": type_, "body": body, "idempotencyKey": None, **more}


def past(direction: str, status: str, type_: str, body: str = "", **more: Any) -> dict[str, Any]:
    told = {"direction": direction, "status": status, "source": "history"}
    return {**told, "type": type_, "body": body, **more}


def named(wamid: str) -> dict[str, Any]:
    """Another message that this tenant does not have."""
    return {"waMessageId": wamid, "messageId": None}


FLOW = {"type": "nfm_reply", "name": "flow", "body": "Sent"}

MESSAGES: dict[str, list[dict[str, Any]]] = {
    "audio_voice": [seen("audio")],
    "bsuid_and_number": [seen("text", "both")],
    "bsuid_in_contact": [seen("text", "known by both")],
    "bsuid_only": [seen("text", "no number here", **{"from": None})],
    "bsuid_reaction": [seen("reaction", "❤️", about=named("wamid.sent"), **{"from": None})],
    "bsuid_username": [seen("text", "hi from a username", **{"from": None})],
    "button": [seen("button", "Unsubscribe")],
    "contacts": [seen("contacts", "Barbara J. Johnson")],
    "document": [seen("document", "The invoice")],
    "document_without_caption": [seen("document", "terms.pdf")],
    "echo_edit": [by_phone("edit", "We are open until seven", about=named("wamid.echo_text"))],
    "echo_image": [by_phone("image", "Our new shop")],
    "echo_revoke": [by_phone("revoke", about=named("wamid.echo_text"))],
    "echo_text": [by_phone("text", "We are open until six")],
    "echo_to_user_id": [by_phone("text", "Hello", to=USER)],
    "edit": [seen("edit", "In blue, I mean", about=named("wamid.text"))],
    "edit_caption": [seen("edit", "Taj Mahal, at dawn", about=named("wamid.image"))],
    "group_text": [seen("text", "hello group")],
    "history_media": [past("IN", "received", "image", "Black Prince")],
    "history_threads": [
        past("OUT", "read", "text", "Here is what you asked for", to=SHEENA),
        past("OUT", "read", "media_placeholder", to=SHEENA),
        past("IN", "received", "text", "Thanks!", **{"from": SHEENA}),
        past("OUT", "delivered", "text", "Use code THANKS30", to="+12125557890"),
    ],
    "history_user_id": [past("IN", "received", "text", "from a username")],
    "image": [seen("image", "Taj Mahal")],
    "interactive_absent": [seen("interactive")],
    "interactive_button_reply": [seen("interactive", "Cancel")],
    "interactive_call_permission": [seen("interactive")],
    "interactive_flow_reply": [
        seen(
            "interactive",
            "Sent",
            interactive={**FLOW, "response": {"flow_token": "t", "guests": "2"}},
        )
    ],
    "interactive_list_reply": [seen("interactive", "Priority Mail Express")],
    "location": [seen("location", "Meta HQ")],
    "many": [seen("text", f"wamid.a{n}", **{"from": f"+1650555000{n}"}) for n in (1, 2, 3)],
    "order": [seen("order", "Love these!")],
    "reaction": [seen("reaction", "👍", about=named("wamid.ours"))],
    "reaction_removed": [seen("reaction", about=named("wamid.ours"))],
    "revoke": [seen("revoke", about=named("wamid.text"))],
    "seeds_example": [seen("text", "hi", **{"from": "+919111111111"})],
    "sticker": [seen("sticker")],
    "system_changed_identity": [seen("system", "Sheena Nelson's security code changed")],
    "system_changed_number": [
        seen("system", "Sheena Nelson changed from 16505551234 to 12195555358")
    ],
    "system_changed_number_and_user_id": [
        seen("system", "User Sheena Nelson changed from 16505551234 to 12195555358")
    ],
    "system_changed_user_id": [seen("system", "Sheena Nelson changed", **{"from": None})],
    "text": [seen("text", "Does it come in another color?")],
    "text_about_product": [seen("text", "Is it in stock?")],
    "text_forwarded": [seen("text", "Look at this", forwarded=True)],
    "text_forwarded_often": [seen("text", "Look at this!", forwarded=True)],
    "text_from_ad": [seen("text", "Can I get more info about this?")],
    "text_reply": [seen("text", "Yes, that one")],
    "unknown_type": [seen("unsupported")],
    "unsupported": [seen("unsupported")],
    "video": [seen("video", "Unboxing")],
    "view_once_unsupported": [seen("unsupported")],
}
# Which part of Meta's object stands by itself as well.
SHOWN_PARTS = {
    "button": ("button",),
    "order": ("order",),
    "text_from_ad": ("referral",),
}
# Its kind, and Meta's word for what happened.
EVENTS: dict[str, tuple[str, str, str | None]] = {
    "account_alert_business": (
        "account_alerts",
        "account",
        "INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED",
    ),
    "account_alert_number": ("account_alerts", "account", "PROFILE_PICTURE_LOST"),
    "account_deleted": ("account_update", "account", "ACCOUNT_DELETED"),
    "account_disabled": ("account_update", "account", "DISABLED_UPDATE"),
    "account_partner_added": ("account_update", "account", "PARTNER_ADDED"),
    "account_restricted": ("account_update", "account", "ACCOUNT_RESTRICTION"),
    "account_review": ("account_review_update", "account", "APPROVED"),
    "account_update": ("account_update", "account", "PARTNER_ADDED"),
    "account_violation": ("account_update", "account", "ACCOUNT_VIOLATION"),
    "business_capability": ("business_capability_update", "business", None),
    "business_username": ("business_username_update", "number", "approved"),
    "call_connect": ("calls", "calls", "connect"),
    "call_status": ("calls", "calls", "call"),
    "call_terminate": ("calls", "calls", "terminate"),
    "field_beside_change": ("account_update", "account", "PARTNER_APP_INSTALLED"),
    "group_lifecycle": ("group_lifecycle_update", "groups", "group_create"),
    "group_participants": ("group_participants_update", "groups", "group_participants_add"),
    "group_settings": ("group_settings_update", "groups", "group_settings_update"),
    "group_status": ("group_status_update", "groups", "group_suspend"),
    "history_complete": ("history", "history", None),
    "history_declined": (
        "history",
        "history",
        "History sync is turned off by the business from the WhatsApp Business App",
    ),
    "messages_of_unknown_kind": ("messages", "unsupported", None),
    "number_name": ("phone_number_name_update", "number", "APPROVED"),
    "number_quality": ("phone_number_quality_update", "number", "THROUGHPUT_UPGRADE"),
    "partner_solutions": ("partner_solutions", "business", "SOLUTION_CREATED"),
    "payment_configuration": ("payment_configuration_update", "account", "Active"),
    "security": ("security", "security", "PIN_RESET_REQUEST"),
    "template_category": ("template_category_update", "template", None),
    "template_components": ("message_template_components_update", "template", None),
    "template_quality": ("message_template_quality_update", "template", "YELLOW"),
    "template_rejected": ("message_template_status_update", "template", "REJECTED"),
    "template_status": ("message_template_status_update", "template", "APPROVED"),
    "unknown_field": ("holograms_update", "unsupported", "PROJECTED"),
    "value_errors": ("messages", "errors", "Rate limit hit"),
}
# What the tenant is told to be afterwards, where the event says anything of that.
PAUSED = {"account_deleted", "account_disabled", "account_restricted"}
FACTS = {
    "number_quality": {"qualityEvent": "THROUGHPUT_UPGRADE", "messagingLimit": "TIER_100K"},
    "business_capability": {"messagingLimit": "TIER_2K"},
    "number_name": {"verifiedName": "Lucky Shrub"},
    "account_review": {"review": "APPROVED"},
    "account_violation": {"accountEvent": "ACCOUNT_VIOLATION"},
}
# The message that it raises, by its wamid.
STATUSES = {
    "status_both_recipients": "delivered",
    "status_delivered": "delivered",
    "status_failed": "failed",
    "status_failed_to_user_id": "failed",
    "status_group": "delivered",
    "status_played": "read",
    "status_read": "read",
    "status_user_id": "read",
}
CUSTOMERS = {"contact_sync", "preferences_stop", "preferences_resume_user_id", "status_sent"}


@pytest.fixture
def cases(request: Any) -> dict[str, bytes]:
    """Every case's body, by its name."""
    folder: Path = request.config.rootpath / "tests/testdata/meta"
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.json"))}


@pytest.fixture
def deliver(backend: Any, cases: dict[str, bytes]) -> Deliver:
    """Sends a case twice to a tenant of its own, and answers the tenant's id and names."""
    made = 0

    async def one(case: str, *, before: Any = None, **tenant: Any) -> Tenant:
        nonlocal made
        made += 1
        number, waba = f"{made:015}", f"7{made:014}"
        given = {"settings": {"autoReply": {"enabled": False}}, "wabaId": waba, **tenant}
        tenant_id = await backend.register(number, **given)
        if before is not None:
            await before(tenant_id)
        body = cases[case].replace(NUMBER.encode(), number.encode())
        for other in (WABA, "980198427658004", "1191624265890717", "506914307656634"):
            body = body.replace(other.encode(), waba.encode())
        for _ in range(2):  # Meta repeats itself.
            answer = await backend.webhook(body)
            assert answer.status == 200, (case, answer)
        return {"id": tenant_id, "number": number, "body": json.loads(body)}

    return one


def test_every_case_is_looked_at(cases: dict[str, bytes]) -> None:
    looked_at = MESSAGES.keys() | EVENTS.keys() | STATUSES.keys() | CUSTOMERS
    assert cases.keys() == looked_at


async def test_messages(backend: Any, deliver: Deliver) -> None:
    async def one(case: str, expected: list[dict[str, Any]]) -> None:
        tenant = await deliver(case)
        found = await backend.messages(tenant["id"])
        in_order = sorted(found, key=lambda m: m["waMessageId"])
        assert len(in_order) == len(expected), case
        for message, wanted in zip(in_order, expected, strict=True):
            shown = {name: message.get(name) for name in wanted}
            assert shown == wanted, case
            for part in SHOWN_PARTS.get(case, ()):
                assert message[part] == message["content"][part], case

    for case, expected in MESSAGES.items():
        await one(case, expected)


async def test_answers_and_products(backend: Any, deliver: Deliver) -> None:
    tenant = await deliver("interactive_list_reply")
    [message] = await backend.messages(tenant["id"])
    answer = message["content"]["interactive"]["list_reply"]
    assert message["interactive"] == {"type": "list_reply", **answer}
    tenant = await deliver("text_about_product")
    [message] = await backend.messages(tenant["id"])
    assert message["referredProduct"] == message["content"]["context"]["referred_product"]
    tenant = await deliver("text_reply")
    [message] = await backend.messages(tenant["id"])
    assert message["replyTo"] == named(message["content"]["context"]["id"])


async def test_news_of_accounts(backend: Any, deliver: Deliver) -> None:
    for case, (field, kind, event) in EVENTS.items():
        tenant = await deliver(case)
        where = f"/tenants/{tenant['id']}"
        [found] = (await backend.call("GET", f"{where}/account-events")).body["items"]
        told = (found["field"], found["kind"], found["event"])
        assert told == (field, kind, event), case
        if kind not in {"errors", "history"}:
            assert found["content"] == _only_value(tenant["body"]), case
        assert await backend.messages(tenant["id"]) == [], case
        shown = (await backend.call("GET", where)).body
        assert shown["status"] == ("paused" if case in PAUSED else "active"), case
        if case in PAUSED:
            assert event in shown["pausedReason"], case
        for name, value in FACTS.get(case, {}).items():
            assert shown["account"][name]["value"] == value, case


async def test_statuses(backend: Any, deliver: Deliver, database: Any) -> None:
    from bson import ObjectId

    for case, status in STATUSES.items():

        async def with_a_sent_one(tenant_id: str) -> None:
            message_id = await backend.sent(tenant_id)
            sent = {"status": "sent", "statusRank": 3, "waMessageId": "wamid.sent"}
            await database.messages.update_one({"_id": ObjectId(message_id)}, {"$set": sent})

        tenant = await deliver(case, before=with_a_sent_one)
        [message] = await backend.messages(tenant["id"])
        assert message["status"] == status, case
        [told] = _only_value(tenant["body"])["statuses"]
        assert message["pricing"] == told.get("pricing"), case
        if status == "failed":
            assert message["error"]["code"] == told["errors"][0]["code"], case
            assert message["error"]["meaning"], case


async def test_a_status_with_our_own_id_waits_for_its_message(
    backend: Any, deliver: Deliver, database: Any
) -> None:
    tenant = await deliver("status_sent")
    assert await backend.messages(tenant["id"]) == []
    assert await database.parked_statuses.count_documents({"waMessageId": "wamid.sent"}) == 1


async def test_customers(backend: Any, deliver: Deliver) -> None:
    async def of(tenant: Tenant) -> list[dict[str, Any]]:
        answer = await backend.call("GET", f"/tenants/{tenant['id']}/customers")
        return list(answer.body["items"])

    [pablo] = await of(await deliver("contact_sync"))
    assert (pablo["waId"], pablo["name"], pablo["lastSeenAt"]) == (SHEENA, "Pablo Morales", None)
    [stopped] = await of(await deliver("preferences_stop"))
    assert stopped["optedOutAt"] is not None
    [resumed] = await of(await deliver("preferences_resume_user_id"))
    assert (resumed["userId"], resumed["optedOutAt"]) == (USER, None)
    [both] = await of(await deliver("bsuid_and_number"))
    assert (both["waId"], both["userId"], both["username"]) == (SHEENA, USER, "sheena.n")
    [writer] = await of(await deliver("text"))
    assert (writer["waId"], writer["name"]) == (SHEENA, "Sheena Nelson")


async def test_reactions_edits_and_revokes_stand_on_their_message(
    backend: Any, webhook_of: Any, text_message: Any, cases: dict[str, bytes]
) -> None:
    tenant_id = await backend.register(settings={"autoReply": {"enabled": False}})
    # The last word first: order does not matter.
    for case in ("revoke", "edit", "text"):
        assert (await backend.webhook(cases[case])).status == 200
    messages = {m["type"]: m for m in await backend.messages(tenant_id)}
    text = await backend.message(tenant_id, messages["text"]["messageId"])
    assert text["body"] == "Does it come in another color?"
    assert text["edited"]["body"] == "In blue, I mean"
    assert text["edited"]["content"] == {"type": "text", "text": {"body": "In blue, I mean"}}
    assert text["revokedAt"] == messages["revoke"]["sentAt"]
    assert messages["edit"]["about"] == {
        "waMessageId": "wamid.text",
        "messageId": text["messageId"],
    }

    def reaction(emoji: str | None, at: int, sender: str) -> dict[str, Any]:
        told = {"message_id": "wamid.text"} | ({} if emoji is None else {"emoji": emoji})
        return text_message(type="reaction", reaction=told, timestamp=str(at), sender=sender)

    async def reactions(*told: dict[str, Any]) -> list[tuple[str, str]]:
        for one in told:
            assert (await backend.webhook(webhook_of(messages=[one]))).status == 200
        message = await backend.message(tenant_id, text["messageId"])
        return sorted((one["from"], one["emoji"]) for one in message.get("reactions", []))

    one, two = "919111111111", "919222222222"
    first = reaction("👍", 1795170000, one)
    assert await reactions(first, reaction("😂", 1795170001, two)) == [
        (f"+{one}", "👍"),
        (f"+{two}", "😂"),
    ]
    assert await reactions(reaction("❤️", 1795170005, one)) == [(f"+{one}", "❤️"), (f"+{two}", "😂")]
    # Late and repeated ones change nothing; one without an emoji takes it off.
    assert await reactions(first, reaction("", 1795170003, one)) == [
        (f"+{one}", "❤️"),
        (f"+{two}", "😂"),
    ]
    assert await reactions(reaction(None, 1795170009, one)) == [(f"+{two}", "😂")]
    conversation = (await backend.call("GET", f"/tenants/{tenant_id}/conversations")).body["items"]
    assert {one["unread"] for one in conversation} == {0, 1}  # A reaction is nothing to read.


async def test_nobody_edits_or_revokes_what_another_wrote(
    backend: Any, webhook_of: Any, text_message: Any
) -> None:
    tenant_id = await backend.register(settings={"autoReply": {"enabled": False}})
    edit = {"original_message_id": "wamid.1", "message": {"type": "text", "text": {"body": "no"}}}
    messages = [
        text_message("mine", id="wamid.1"),
        text_message(type="edit", edit=edit, sender="919222222222"),
        text_message(
            type="revoke", revoke={"original_message_id": "wamid.1"}, sender="919222222222"
        ),
    ]
    assert (await backend.webhook(webhook_of(messages=messages))).status == 200
    [mine] = [m for m in await backend.messages(tenant_id) if m["waMessageId"] == "wamid.1"]
    assert "edited" not in mine
    assert "revokedAt" not in mine


async def test_what_was_said_elsewhere_is_answered_by_nobody(
    backend: Any, cases: dict[str, bytes], database: Any, simulator: Any
) -> None:
    """No reply, no window, nothing unread, nothing to send: also not when a status says failed."""
    tenant_id = await backend.register()
    failed = {"id": "wamid.h1", "status": "failed", "timestamp": "1795176005"}
    for case in ("history_threads", "echo_text"):
        assert (await backend.webhook(cases[case])).status == 200
    value = {"metadata": {"phone_number_id": NUMBER}, "statuses": [{**failed, "id": "wamid.h4"}]}
    body = {"entry": [{"changes": [{"field": "messages", "value": value}]}]}
    assert (await backend.webhook(body)).status == 200
    messages = await backend.messages(tenant_id)
    assert {m["source"] for m in messages} == {"history", "phone"}
    assert await database.messages.count_documents({"dueAt": {"$exists": True}}) == 0
    conversations = (await backend.call("GET", f"/tenants/{tenant_id}/conversations")).body["items"]
    assert len(conversations) == 2
    for conversation in conversations:
        assert conversation["windowExpiresAt"] is None
        assert conversation["unread"] == 0
    dead = await backend.call("GET", f"/tenants/{tenant_id}/dead-letters")
    assert dead.body["items"] == []


async def test_the_past_stands_at_its_own_time(backend: Any, cases: dict[str, bytes]) -> None:
    tenant_id = await backend.register(settings={"autoReply": {"enabled": False}})
    older = cases["history_threads"].replace(b"1795176000", b"1700000000")
    for body in (cases["text"], older):
        assert (await backend.webhook(body)).status == 200
    messages = await backend.messages(tenant_id)
    assert [m["source"] for m in messages] == ["history"] * 4 + ["webhook"]
    pages: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await backend.call(
            "GET", f"/tenants/{tenant_id}/messages", params={"limit": 1, **cursor}
        )
        pages += [m["messageId"] for m in page.body["items"]]
        if page.body["nextCursor"] is None:
            break
        cursor = {"cursor": page.body["nextCursor"]}
    assert pages == [m["messageId"] for m in messages[::-1]]


async def test_an_account_that_recovers_goes_on_but_not_where_a_person_paused(
    backend: Any, cases: dict[str, bytes]
) -> None:
    async def hear(body: bytes) -> None:
        assert (await backend.webhook(body)).status == 200

    async def status(tenant_id: str) -> tuple[str, str | None]:
        shown = (await backend.call("GET", f"/tenants/{tenant_id}")).body
        return shown["status"], shown["pausedReason"]

    disabled = cases["account_disabled"]
    reinstated = disabled.replace(b'"DISABLE"', b'"REINSTATE"').replace(
        b"1795176000", b"1795176100"
    )
    mine = await backend.register("11111", wabaId=WABA)
    theirs = await backend.register("22222", wabaId=WABA, name="B")
    other = await backend.register("33333", wabaId="99999", name="C")
    await backend.patch(theirs, status="paused")
    await hear(disabled)
    paused, reason = await status(mine)
    assert paused == "paused"
    assert "disabled" in str(reason)
    assert await status(theirs) == ("paused", "paused by the operator")
    assert (await status(other))[0] == "active"
    await hear(reinstated)
    await hear(disabled)  # Late and repeated: it says nothing new.
    assert await status(mine) == ("active", None)
    assert await status(theirs) == ("paused", "paused by the operator")


async def test_news_whose_consequence_was_lost_is_followed_when_it_is_told_again(
    backend: Any, deliver: Deliver, database: Any
) -> None:
    """As when the process died between the log and the tenant."""

    async def status(tenant_id: str) -> Any:
        return (await backend.call("GET", f"/tenants/{tenant_id}")).body["status"]

    tenant = await deliver("account_disabled")
    assert await status(tenant["id"]) == "paused"
    lost = {"account": "", "pausedReason": "", "pausedCode": ""}
    await database.tenants.update_one(
        {"_id": ObjectId(tenant["id"])}, {"$set": {"status": "active"}, "$unset": lost}
    )
    assert (await backend.webhook(tenant["body"])).status == 200
    found = await database.tenants.find_one({"_id": ObjectId(tenant["id"])})
    assert found["status"] == "paused"
    assert found["account"]["accountEvent"]["value"] == "DISABLED_UPDATE"


async def test_a_live_telling_puts_the_time_of_a_past_one_right(
    backend: Any, database: Any
) -> None:
    await backend.register(NUMBER)
    told = {"id": "wamid.1", "to": "919111111111", "type": "text", "text": {"body": "hi"}}
    thread = {"id": "919111111111", "messages": [told | {"history_context": {"from_me": True}}]}
    past = {"history": [{"threads": [thread]}]}
    live = {"message_echoes": [told | {"timestamp": "1795100000"}]}
    for field, value in (("history", past), ("smb_message_echoes", live)):
        change = {"field": field, "value": {"metadata": {"phone_number_id": NUMBER}, **value}}
        webhook = {"entry": [{"changes": [change]}]}
        assert (await backend.webhook(webhook)).status == 200
    message = await database.messages.find_one()
    assert (
        message["sentAt"]
        == message["statusAt"]["sent"]
        == datetime(2026, 11, 19, 14, 53, 20, tzinfo=UTC)
    )


async def test_the_event_log_is_read_page_by_page_newest_first(
    backend: Any, cases: dict[str, bytes]
) -> None:
    tenant_id = await backend.register(wabaId=WABA)
    bodies = [
        cases["template_status"]
        .replace(b"1795176000", str(1795170000 + n // 2).encode())
        .replace(b"APPROVED", b"APPROVED" if n % 2 else b"REJECTED")
        for n in range(10)
    ]
    answers = await asyncio.gather(*(backend.webhook(body) for body in bodies * 2))
    assert {answer.status for answer in answers} == {200}
    found: list[dict[str, Any]] = []
    query: dict[str, Any] | None = {"limit": 3}
    while query is not None:
        page = await backend.call("GET", f"/tenants/{tenant_id}/account-events", params=query)
        found += page.body["items"]
        cursor = page.body["nextCursor"]
        query = {"limit": 3, "cursor": cursor} if cursor else None
    assert len({one["eventId"] for one in found}) == len(found) == 10
    assert [one["at"] for one in found] == sorted((one["at"] for one in found), reverse=True)
    other = await backend.register("22222")
    assert (await backend.call("GET", f"/tenants/{other}/account-events")).body["items"] == []


def _only_value(body: dict[str, Any]) -> dict[str, Any]:
    [change] = [change for entry in body["entry"] for change in entry["changes"]]
    value: dict[str, Any] = change["value"]
    return value
