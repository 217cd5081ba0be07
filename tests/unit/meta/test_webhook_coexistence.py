"""What comes from the business' own phone, and what customers prefer."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from manyline.meta.webhook import (
    About,
    AccountEvent,
    ContactSync,
    EchoMessage,
    Item,
    PastMessage,
    PreferenceChange,
    Unreadable,
    parse,
)

Case = Callable[[str], bytes]

NUMBER = "111111111111111"
SHEENA = "+16505551234"
BSUID = "US.13491208655302741918"
SAID_AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CASES = frozenset(
    {"echo_text", "echo_image", "echo_edit", "echo_revoke", "echo_to_user_id"}
    | {"history_threads", "history_media", "history_user_id"}
    | {"history_complete", "history_declined"}
    | {"contact_sync", "preferences_stop", "preferences_resume_user_id"}
)


@pytest.mark.parametrize(
    ("name", "kind", "body", "about"),
    [
        ("echo_text", "text", "We are open until six", None),
        ("echo_image", "image", "Our new shop", None),
        ("echo_edit", "edit", "We are open until seven", About("edit", "wamid.echo_text")),
        ("echo_revoke", "revoke", "", About("revoke", "wamid.echo_text")),
        ("echo_to_user_id", "text", "Hello", None),
    ],
)
def test_an_echo_is_read(
    webhook_case: Case, name: str, kind: str, body: str, about: About | None
) -> None:
    [echo] = parse(webhook_case(name))
    assert isinstance(echo, EchoMessage)
    assert (echo.type, echo.body, echo.about) == (kind, body, about)
    assert (echo.phone_number_id, echo.wamid, echo.sent_at) == (NUMBER, f"wamid.{name}", SAID_AT)
    assert echo.content["id"] == echo.wamid
    to_user_id = name == "echo_to_user_id"
    assert (echo.recipient, echo.user_id) == ((None, BSUID) if to_user_id else (SHEENA, None))


def past(items: list[Item]) -> list[tuple[Any, ...]]:
    assert all(isinstance(item, PastMessage) for item in items)
    return [
        (item.wamid, item.outgoing, item.customer, item.type, item.body, item.status)
        for item in items
        if isinstance(item, PastMessage)
    ]


def test_past_messages_are_read_thread_by_thread(webhook_case: Case) -> None:
    items = parse(webhook_case("history_threads"))
    assert past(items) == [
        ("wamid.h1", True, SHEENA, "text", "Here is what you asked for", "read"),
        ("wamid.h2", True, SHEENA, "media_placeholder", "", "played"),
        ("wamid.h3", False, SHEENA, "text", "Thanks!", "pending"),
        ("wamid.h4", True, "+12125557890", "text", "Use code THANKS30", "delivered"),
    ]
    assert {item.phone_number_id for item in items} == {NUMBER}
    assert all(isinstance(item, PastMessage) and item.sent_at == SAID_AT for item in items)


def test_the_media_of_past_messages_follow_by_the_same_id(webhook_case: Case) -> None:
    [item] = parse(webhook_case("history_media"))
    assert past([item]) == [("wamid.h2", False, SHEENA, "image", "Black Prince", None)]
    assert isinstance(item, PastMessage)
    assert item.content["image"]["id"] == "24230790383178626"


def test_a_thread_with_a_customer_without_a_number(webhook_case: Case) -> None:
    [item] = parse(webhook_case("history_user_id"))
    assert isinstance(item, PastMessage)
    assert (item.customer, item.user_id, item.outgoing) == (None, BSUID, False)


def test_that_the_business_shares_no_history_is_an_event(webhook_case: Case) -> None:
    [event] = parse(webhook_case("history_declined"))
    assert isinstance(event, AccountEvent)
    assert (event.kind, event.phone_number_id) == ("history", NUMBER)
    assert event.event is not None
    assert event.event.startswith("History sync is turned off")
    assert event.content["errors"][0]["code"] == 2593109


def test_that_all_of_the_history_is_here_is_an_event(webhook_case: Case) -> None:
    [event] = parse(webhook_case("history_complete"))
    assert isinstance(event, AccountEvent)
    assert event.kind == "history"
    assert event.content == {"metadata": {"phase": 2, "chunk_order": 7, "progress": 100}}


def test_the_address_book(webhook_case: Case) -> None:
    assert parse(webhook_case("contact_sync")) == [
        ContactSync(NUMBER, SHEENA, "Pablo Morales", removed=False, at=SAID_AT),
        ContactSync(NUMBER, "+12125557890", None, removed=True, at=SAID_AT),
    ]


def test_preferences(webhook_case: Case) -> None:
    assert parse(webhook_case("preferences_stop")) == [
        PreferenceChange(NUMBER, SHEENA, None, "marketing_messages", stopped=True, at=SAID_AT)
    ]
    assert parse(webhook_case("preferences_resume_user_id")) == [
        PreferenceChange(NUMBER, None, BSUID, "marketing_messages", stopped=False, at=SAID_AT)
    ]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("echo_text", "message_echoes"),
        ("contact_sync", "state_sync"),
        ("preferences_stop", "user_preferences"),
        ("history_threads", "history"),
        ("history_media", "messages"),
    ],
)
@pytest.mark.parametrize("bad", [None, 7, "x", [], {"id": []}, {"id": "wamid.1", "to": {}}])
def test_a_bad_member_stands_alone(webhook_case: Case, name: str, key: str, bad: Any) -> None:
    webhook = json.loads(webhook_case(name))
    webhook["entry"][0]["changes"][0]["value"][key].insert(0, bad)
    wanted = parse(webhook_case(name))
    found = parse(json.dumps(webhook).encode())
    assert [item for item in found if not isinstance(item, Unreadable)] == wanted
    if key != "history" or not isinstance(bad, dict):
        [unreadable] = [item for item in found if isinstance(item, Unreadable)]
        assert (unreadable.phone_number_id, unreadable.item) == (NUMBER, bad)
        assert unreadable.part in (key, "history")


@pytest.mark.parametrize("bad", [None, 7, [], {"messages": 7}, {"id": "x", "messages": [{}]}])
def test_a_bad_thread_stands_alone(webhook_case: Case, bad: Any) -> None:
    webhook = json.loads(webhook_case("history_threads"))
    webhook["entry"][0]["changes"][0]["value"]["history"][0]["threads"].insert(0, bad)
    unreadable, *others = parse(json.dumps(webhook).encode())
    assert isinstance(unreadable, Unreadable)
    assert others == parse(webhook_case("history_threads"))
