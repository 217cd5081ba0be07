"""One bad item never costs its neighbours, and nothing makes the parser raise what it may not."""

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyline.meta.webhook import (
    InboundMessage,
    Item,
    MalformedWebhookError,
    StatusUpdate,
    Unreadable,
    parse,
)

CASES = sorted((Path(__file__).parents[2] / "testdata" / "meta").glob("*.json"))
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


@pytest.mark.parametrize("depth", [1_000, 10_000, 1_000_000])
def test_a_body_nested_past_all_reason_is_refused_and_breaks_nothing(depth: int) -> None:
    with pytest.raises(MalformedWebhookError):
        parse(b'{"entry": ' + b"[" * depth + b"]" * depth + b"}")


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


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every member, at any depth."""
    found: list[tuple[Any, ...]] = []
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in members:
        found.append((*here, key))
        if isinstance(member, (dict, list)):
            found.extend(places(member, (*here, key)))
    return found


@given(
    case=st.sampled_from(CASES),
    replacement=JSON | st.sampled_from(["\ud800", 2**64, [[]], {"": {"\x00": 1}}]),
    seed=st.integers(0, 2**32),
    drop=st.booleans(),
)
def test_no_mutation_of_a_real_webhook_costs_its_neighbour(
    case: Path, replacement: Any, seed: int, drop: bool
) -> None:
    webhook = json.loads(case.read_bytes())
    # Somewhere below the first entry: the second one is the neighbour.
    first = webhook["entry"][0]
    path = random.Random(seed).choice(places(first))
    holder = first
    for key in path[:-1]:
        holder = holder[key]
    if drop:
        del holder[path[-1]]
    else:
        holder[path[-1]] = copy.deepcopy(replacement)
    webhook["entry"].append({"changes": [change(messages=[HEALTHY])]})

    assert len(healthy(parse(json.dumps(webhook).encode()))) >= 1
