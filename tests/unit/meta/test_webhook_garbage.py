"""What nobody sends in earnest: bounded in time and in items, and its neighbours go on."""

import gc
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from manyline.meta.webhook import InboundMessage, MalformedWebhookError, Unreadable, parse
from manyline.meta.webhook.intake import MAX_ITEMS, MAX_UNREADABLE
from manyline.meta.webhook.walking import walk
from tests.fuzz.mutations import CASES

MAX_BODY = 3 * 1024 * 1024  # The route takes no more.
# The event loop stands still meanwhile. In loads of as long a plain JSON (some 50 ms): the worst
# takes 5, and what grows with the square of the body takes hundreds.
MOST_LOADS = 12
PLAIN = b"[" + b",".join([b'{"a": "bcdefgh", "i": 12345}'] * 105_000) + b"]"

GOOD = json.dumps(
    {"from": "16505550009", "id": "wamid.well", "type": "text", "text": {"body": "well"}}
).encode()


def webhook(*messages: bytes) -> bytes:
    value = b'{"metadata": {"phone_number_id": "1"}, "messages": [%s]}' % b",".join(messages)
    return b'{"entry": [{"changes": [{"field": "messages", "value": %s}]}]}' % value


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def filled(unit: bytes) -> bytes:
    return b",".join([unit] * ((MAX_BODY - 1_000) // (len(unit) + 1)))


@pytest.mark.parametrize("depth", [2_000, 10_000, 1_000_000])
@pytest.mark.parametrize("before", [True, False])
def test_a_message_nested_past_all_reason_stands_alone(depth: int, before: bool) -> None:
    bad = b'{"id": "wamid.deep", "from": "16505550001", "text": %s}' % nested(depth)
    items = parse(webhook(bad, GOOD) if before else webhook(GOOD, bad))
    [message] = [item for item in items if isinstance(item, InboundMessage)]
    [deep] = [item for item in items if isinstance(item, Unreadable)]
    assert (message.wamid, message.body) == ("wamid.well", "well")
    assert (deep.phone_number_id, deep.part, deep.item) == ("1", "messages", None)
    assert deep.reason == "nested too deeply to be read"
    assert deep.raw == bad


@pytest.mark.parametrize("depth", [2_000, 10_000])
@pytest.mark.parametrize(
    "place",
    [
        b'{"x": %s, "entry": [%s]}',
        b'{"entry": [%s, %s]}',
        b'{"entry": [{"id": %s, "changes": []}, %s]}',
        b'{"entry": [{"changes": %s}, %s]}',
        b'{"entry": [{"changes": [%s]}, %s]}',
        b'{"entry": [{"changes": [{"value": %s}]}, %s]}',
        b'{"entry": [{"changes": [{"value": {"metadata": %s}}]}, %s]}',
        b'{"entry": [{"changes": [{"value": {"contacts": [%s]}}]}, %s]}',
        b'{"entry": [{"changes": [{"field": "calls", "value": {"calls": %s}}]}, %s]}',
    ],
)
def test_depth_anywhere_costs_no_other_entry(place: bytes, depth: int) -> None:
    entry = webhook(GOOD).removeprefix(b'{"entry": [').removesuffix(b"]}")
    items = parse(place % (nested(depth), entry))
    assert [item.wamid for item in items if isinstance(item, InboundMessage)] == ["wamid.well"]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b"[" * 10_000,
        b'{"a":' * 10_000,
        b'{"entry": %s}' % b"[" * 10_000,
        b'{"entries": [%s]}' % nested(10_000),
        b'{"entry": [%s] "x": 1}' % nested(10_000),
        b'{"entry": [%s]} {}' % nested(10_000),
        b'{"entry": [%s], 7: 1}' % nested(10_000),
        b'{"entry" [%s]}' % nested(10_000),
    ],
)
def test_depth_that_is_no_webhook_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(MalformedWebhookError):
        parse(body)


def test_a_byte_that_is_no_utf_8_costs_only_its_message() -> None:
    bad = GOOD.replace(b"wamid.well", b"wamid.ill").replace(b'"well"', b'"w\xffell"')
    well, ill = parse(webhook(GOOD, bad))
    assert isinstance(well, InboundMessage)
    assert well.body == "well"
    assert isinstance(ill, InboundMessage)  # Its words have no UTF-8 form: the store refuses it.
    assert ill.body == "w\udcffell"


def test_more_unreadable_items_than_anybody_reads_are_counted() -> None:
    items = parse(webhook(*[b"7"] * 5_000, GOOD))
    assert sum(isinstance(item, Unreadable) for item in items) == MAX_UNREADABLE + 1
    assert sum(isinstance(item, InboundMessage) for item in items) == 1
    assert isinstance(items[-1], Unreadable)
    assert items[-1].item == {"left": 5_000 - MAX_UNREADABLE}


def test_more_items_than_a_webhook_can_hold_are_counted() -> None:
    items = parse(webhook(*[b'{"id": "a", "from": "123456"}'] * (MAX_ITEMS + 7)))
    assert len(items) == MAX_ITEMS + 1
    assert isinstance(items[-1], Unreadable)
    assert items[-1].reason.startswith("7 more parts")


@pytest.mark.parametrize("case", sorted(CASES.glob("*.json")), ids=lambda case: case.stem)
def test_walking_a_body_reads_what_any_reader_reads(case: Path) -> None:
    text = case.read_text()
    assert walk(text) == (json.loads(text), None)


GARBAGE: dict[str, Callable[[], bytes]] = {
    "random bytes": lambda: random.Random(1).randbytes(MAX_BODY),
    "brackets": lambda: b"[" * MAX_BODY,
    "braces": lambda: b'{"a":' * (MAX_BODY // 5),
    "one text": lambda: b'{"entry": ["' + b"\\\\" * (MAX_BODY // 2 - 20) + b'"]}',
    "digits": lambda: b'{"entry": [' + b"9" * (MAX_BODY - 20) + b"]}",
    "empty lists": lambda: b'{"entry": [' + filled(b"[]") + b"]}",
    "empty entries": lambda: b'{"entry": [' + filled(b'{"changes":[]}') + b"]}",
    "small messages": lambda: webhook(filled(b'{"id":"a","from":"123456"}')),
    "healthy and a surrogate": lambda: webhook(filled(GOOD), b'"\\ud800"'),
    "depth 900": lambda: webhook(filled(nested(900))),
    "depth 2,000": lambda: webhook(filled(nested(2_000))),
    "deep, then empty lists": lambda: webhook(nested(5_000), filled(b"[]"))[:-11_000],
    "deep and never closed": lambda: webhook(b'[{"":' * (MAX_BODY // 5)),
    "lists in the deep": lambda: webhook(b"[" * 5_000 + filled(b"[]") + b"]" * 5_000),
}


def cpu_seconds(work: Callable[[], object]) -> float:
    """What one call of `work` costs this thread."""
    started = time.thread_time()
    work()
    return time.thread_time() - started


def parsed(body: bytes) -> None:
    """Read it to the end, and never into more items than there may be."""
    try:
        items = parse(body)
    except MalformedWebhookError:
        return
    assert len(items) <= MAX_ITEMS + 1


@pytest.mark.parametrize("name", GARBAGE)
def test_three_megabytes_of_garbage_block_nobody_for_long(name: str) -> None:
    body = GARBAGE[name]()
    assert len(body) < MAX_BODY * 1.01
    ratios = []
    for _ in range(3):  # The best of three: the machine has others to serve.
        ratios.append(cpu_seconds(lambda: parsed(body)) / cpu_seconds(lambda: json.loads(PLAIN)))
        if ratios[-1] < MOST_LOADS:
            break
    assert min(ratios) < MOST_LOADS
    assert gc.isenabled()
