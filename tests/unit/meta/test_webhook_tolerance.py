"""One bad item never costs its neighbours, and nothing makes the parser raise what it may not."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyline.meta.webhook import (
    InboundMessage,
    Item,
    MalformedWebhookError,
    StatusUpdate,
    Unreadable,
    parse,
)
from tests.fuzz.mutations import mutant, noise
from tests.fuzz.parsing import check_mutant, check_noise

HEALTHY = {"from": "16505550009", "id": "wamid.healthy", "type": "text", "text": {"body": "well"}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def body(*changes: Any) -> bytes:
    return json.dumps({"entry": [{"changes": list(changes)}]}).encode()


def change(number: Any = "111111111111111", **value: Any) -> dict[str, Any]:
    return {"value": {"metadata": {"phone_number_id": number}, **value}}


def healthy(items: list[Item]) -> list[Item]:
    return [i for i in items if isinstance(i, InboundMessage) and i.wamid == "wamid.healthy"]


NO_WEBHOOKS = [
    *(b"", b"hello", b"[]", b"1", b'"entry"', b"null", b"{}", b"\xff"),
    *(b'{"entry": {}}', b'{"entry": null}', b'{"entry": [}'),
]


@pytest.mark.parametrize("given", NO_WEBHOOKS)
def test_what_is_no_webhook_is_said_to_be_none(given: bytes) -> None:
    with pytest.raises(MalformedWebhookError):
        parse(given)


BAD_MESSAGES: list[Any] = [
    None,
    7,
    "message",
    [],
    {},
    {"from": "16505551234", "type": "text"},
    {"id": "wamid.1", "type": "text"},
    {"id": "", "from": "16505551234"},
    {"id": 5, "from": "16505551234"},
    {"id": "\ud800", "from": "16505551234"},
    {"id": "w" * 513, "from": "16505551234"},
    {"id": "wamid.1", "from": "not a number"},
    {"id": "wamid.1", "from": ["16505551234"]},
]
NUMBERS_AS_TEXT_AND_TEXT_AS_NUMBERS: list[tuple[Any, Any]] = [
    ("16505551234", "1795176000"),
    (16505551234, 1795176000),
]
BAD_STATUSES: list[Any] = [
    None,
    7,
    [],
    {"status": "sent"},
    {"id": "wamid.1"},
    {"id": "wamid.1", "status": "teleported"},
    {"id": "wamid.1", "status": None},
    {"id": "wamid.1", "status": []},
    {"id": "wamid.1", "status": {"sent": True}},
    {"id": ["wamid.1"], "status": "sent"},
]


@pytest.mark.parametrize("bad", BAD_MESSAGES)
def test_a_bad_message_stands_alone(bad: Any) -> None:
    items = parse(body(change(messages=[HEALTHY, bad, {**HEALTHY, "id": "wamid.after"}])))
    assert [type(item) for item in items] == [InboundMessage, Unreadable, InboundMessage]
    unreadable = items[1]
    assert isinstance(unreadable, Unreadable)
    assert unreadable.phone_number_id == "111111111111111"
    assert unreadable.item == bad
    assert unreadable.reason


@pytest.mark.parametrize("bad", BAD_STATUSES)
def test_a_bad_status_stands_alone(bad: Any) -> None:
    fine = {"id": "wamid.2", "status": "read"}
    items = parse(body(change(messages=[HEALTHY], statuses=[fine, bad, fine])))
    assert [type(item) for item in items] == [
        InboundMessage,
        StatusUpdate,
        Unreadable,
        StatusUpdate,
    ]


@pytest.mark.parametrize(
    "bad",
    [
        None,
        1,
        [],
        {},
        {"value": None},
        {"value": []},
        {"value": {}},
        {"value": {"metadata": []}},
        change(number=None, messages=[HEALTHY]),
        change(number="", messages=[HEALTHY]),
        change(number=["111"], messages=[HEALTHY]),
    ],
)
def test_a_bad_change_stands_alone(bad: Any) -> None:
    items = parse(body(bad, change(messages=[HEALTHY])))
    assert [type(item) for item in items] == [Unreadable, InboundMessage]


@pytest.mark.parametrize("bad", [None, 1, "x", [], {}, {"changes": {}}, {"changes": None}])
def test_a_bad_entry_stands_alone(bad: Any) -> None:
    raw = json.dumps({"entry": [bad, {"changes": [change(messages=[HEALTHY])]}]}).encode()
    assert [type(item) for item in parse(raw)] == [Unreadable, InboundMessage]


@pytest.mark.parametrize(
    "poison",
    ['"\\ud800"', "NaN", "1e999", "-Infinity", "9" * 30, "9" * 5_000, "[" * 300 + "]" * 300],
    ids=["surrogate", "nan", "huge float", "infinity", "30 digits", "5000 digits", "depth 300"],
)
def test_what_a_strict_reader_refuses_costs_only_its_item(poison: str) -> None:
    good, bad = json.dumps(HEALTHY), '{"from": "16505551234", "id": "wamid.bad", "x": %s}' % poison
    value = '{"metadata": {"phone_number_id": "1"}, "messages": [%s, %s]}' % (good, bad)
    items = parse(('{"entry": [{"changes": [{"value": %s}]}]}' % value).encode())
    assert len(healthy(items)) == 1
    assert len(items) == 2


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("1795176000", 1795176000),
        (1795176000, 1795176000),
        (1795176000.5, 1795176000),
        ("soon", None),
        ("", None),
        (None, None),
        (True, None),
        (10**30, None),
        ("9" * 5_000, None),
        ("\ud800", None),
        ({}, None),
    ],
)
def test_a_time_is_read_or_left_out(given: Any, read: int | None) -> None:
    [item] = parse(body(change(messages=[{**HEALTHY, "timestamp": given}])))
    assert isinstance(item, InboundMessage)
    assert (item.sent_at.timestamp() if item.sent_at else None) == read


@pytest.mark.parametrize("number", ["111111111111111", 111111111111111])
@pytest.mark.parametrize(("sender", "at"), NUMBERS_AS_TEXT_AND_TEXT_AS_NUMBERS)
@pytest.mark.parametrize("code", ["131047", 131047])
def test_numbers_as_text_and_text_as_numbers(number: Any, sender: Any, at: Any, code: Any) -> None:
    message = {**HEALTHY, "from": sender, "timestamp": at}
    status = {"id": "w", "status": "failed", "timestamp": at, "recipient_id": sender}
    read, failed = parse(
        body(change(number, messages=[message], statuses=[status | {"errors": [{"code": code}]}]))
    )
    assert isinstance(read, InboundMessage)
    assert (read.phone_number_id, read.sender) == ("111111111111111", "+16505551234")
    assert read.sent_at is not None
    assert isinstance(failed, StatusUpdate)
    assert (failed.recipient, failed.at) == ("+16505551234", read.sent_at)
    assert failed.error == {"code": 131047}


def test_names_that_cannot_be_stored_are_left_out() -> None:
    contacts = [{"wa_id": "16505550009", "profile": {"name": "\ud800"}}, 7, {"profile": []}]
    [item] = parse(body(change(contacts=contacts, messages=[HEALTHY])))
    assert isinstance(item, InboundMessage)
    assert item.sender_name is None


def test_a_failed_status_with_a_poisoned_error_is_still_a_failed_status() -> None:
    errors = [{"code": 2**70, "title": "\ud800", "error_data": {"details": "d" * 10_000}}]
    [item] = parse(body(change(statuses=[{"id": "w", "status": "failed", "errors": errors}])))
    assert isinstance(item, StatusUpdate)
    assert item.error == {}


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    try:
        parse(raw)
    except MalformedWebhookError:
        pass


@given(JSON)
def test_no_json_in_place_of_a_message_costs_a_neighbour(bad: Any) -> None:
    items = parse(body(change(messages=[bad, HEALTHY], statuses=[bad]), change(messages=bad)))
    assert len(healthy(items)) >= 1


@settings(max_examples=400)
@given(st.randoms(use_true_random=False))
def test_one_spoiled_place_costs_no_neighbour(random: Random) -> None:
    check_mutant(mutant(random))


@settings(max_examples=200)
@given(st.randoms(use_true_random=False))
def test_bytes_changed_at_random_are_no_surprise(random: Random) -> None:
    check_noise(noise(random))


def test_the_mutations_leave_neighbours_to_look_for() -> None:
    due = [len(mutant(Random(seed)).due) for seed in range(300)]
    assert {1, 2, 3} <= set(due)
    assert sum(due) > 500
