"""A webhook around an item of the quarantine is read as the one that it came in."""

import json
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from manyline.inbound.addressed import Addressed
from manyline.inbound.models import Quarantined
from manyline.inbound.quarantine.setting_aside import unreadable, unstorable
from manyline.inbound.quarantine.wrapping import wrapped
from manyline.meta.webhook import (
    AccountEvent,
    EchoMessage,
    InboundMessage,
    Item,
    PastMessage,
    Unreadable,
    parse,
)

CASES = sorted((Path(__file__).parents[2] / "testdata/meta").glob("*.json"))


class Tenant:
    id = ObjectId()


def set_aside(item: Any) -> Quarantined:
    tenant: Any = Tenant()
    if isinstance(item, Unreadable):
        return unreadable(item, tenant, Addressed((), {}, {}))
    return unstorable(item, "x", tenant)


def again(item: Item) -> list[Item]:
    return parse(wrapped(set_aside(item)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_every_recorded_item_is_read_as_before(case: Path) -> None:
    for item in parse(case.read_bytes()):
        if isinstance(item, InboundMessage | EchoMessage | PastMessage | AccountEvent):
            assert again(item) == [item]


UNREADABLE: list[Any] = [
    {"entry": [7, {"id": "x"}, {"changes": [3, {"field": "messages"}]}]},
    {"messages": [1, {"type": "text"}, {"id": "wamid.1"}, "\ud800"]},
    {"statuses": [None, {"id": "x"}, {"id": "x", "status": "odd"}]},
    {"field": "smb_message_echoes", "message_echoes": [1, {"id": "x"}]},
    {"field": "smb_app_state_sync", "state_sync": [1, {"action": "add"}]},
    {"field": "user_preferences", "user_preferences": [{"wa_id": "9190", "value": "stop"}]},
    {"field": "history", "history": [{"threads": [5, {"id": "919000000001", "messages": [6]}]}]},
]


@pytest.mark.parametrize("given", UNREADABLE)
def test_what_made_no_sense_makes_none_again(given: dict[str, Any]) -> None:
    webhook = given
    if "entry" not in given:
        value = {"metadata": {"phone_number_id": "111111111111111"}, **given}
        field = value.pop("field", "messages")
        webhook = {"entry": [{"changes": [{"field": field, "value": value}]}]}
    items = parse(json.dumps(webhook).encode())
    assert items
    for item in items:
        assert isinstance(item, Unreadable)
        assert again(item) == [item]


def test_what_was_cut_out_for_its_depth_is_put_back_byte_by_byte() -> None:
    deep = '{"id":"wamid.1", "x":' + "[" * 5000 + "]" * 5000 + "}"
    body = (
        '{"entry":[{"changes":[{"value":{"metadata":{"phone_number_id":"1"},"messages":[%s]}}]}]}'
    )
    [item] = parse((body % deep).encode())
    assert isinstance(item, Unreadable)
    kept = set_aside(item)
    assert kept.raw == deep.encode()
    assert deep.encode() in wrapped(kept)
    assert parse(wrapped(kept)) == [item]
