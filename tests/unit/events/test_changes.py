"""What the store's change stream says, read as a change."""

from typing import Any

from bson import ObjectId

from manyline.events.models import Change, EventKind
from manyline.events.repository import _change
from manyline.messages.states import MessageStatus


def update(message: ObjectId, status: str) -> dict[str, Any]:
    return {
        "_id": {"_data": "82AA"},
        "ns": {"coll": "messages"},
        "operationType": "update",
        "documentKey": {"_id": message},
        "status": status,
    }


def test_a_status_that_this_release_does_not_know_moves_only_the_position() -> None:
    one = ObjectId()
    expected = Change("82AA", EventKind.STATUS, one, status=MessageStatus.SENT)
    assert _change(update(one, "sent")) == expected
    assert _change(update(one, "of-a-later-release")) == Change("82AA")
