"""Whom the items of a flush name."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
from bson import ObjectId

from manyline.inbound.gathering import gather
from manyline.inbound.models import RoutedMessage
from manyline.infra.documents import encode_document
from manyline.meta.webhook import InboundMessage, parse

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TENANT: Any = SimpleNamespace(id=ObjectId())


def routed(message: dict[str, Any]) -> RoutedMessage:
    value = {"metadata": {"phone_number_id": "111"}, "messages": [message]}
    [item] = parse(msgspec.json.encode({"entry": [{"changes": [{"value": value}]}]}))
    assert isinstance(item, InboundMessage)
    return RoutedMessage(TENANT, item, NOW, encode_document(item.content))


def test_who_moved_is_named_by_what_they_use_now() -> None:
    """What they left is somebody else's when it is told again later, as by a replay."""
    system = {"type": "user_changed_number", "wa_id": "919222222222", "body": "moved"}
    message = {"id": "wamid.1", "type": "system", "from": "919111111111", "system": system}
    gathered = gather([routed(message)])
    [(_, _, key)] = gathered.messages
    assert key == (TENANT.id, "tel:+919222222222")
    [sighting] = gathered.sightings
    assert {sighting.identity, *sighting.also} == {"tel:+919222222222"}
    [move] = gathered.moves
    assert (move.left, move.new) == (("tel:+919111111111",), ("tel:+919222222222",))


def test_who_is_only_told_of_is_named_by_all_that_is_known() -> None:
    system = {"type": "customer_identity_changed", "body": "changed"}
    message = {"id": "wamid.1", "type": "system", "from": "919111111111", "system": system}
    gathered = gather([routed(message | {"from_user_id": "IN.1"})])
    [sighting] = gathered.sightings
    assert (sighting.identity, sighting.also) == ("tel:+919111111111", ("bsuid:IN.1",))
    assert gathered.moves == []
