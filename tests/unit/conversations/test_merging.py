"""One conversation of two: nothing that is unread is hidden, nothing newer is lost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from manyline.conversations.merging import folded

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TENANT = ObjectId()


def at(hour: int) -> datetime:
    return NOON + timedelta(hours=hour)


def conversation(received: int | None, read: int | None, **more: Any) -> dict[str, Any]:
    fields = {
        "lastReceivedAt": at(received) if received is not None else None,
        "readAt": at(read) if read is not None else None,
    }
    return {name: value for name, value in fields.items() if value is not None} | more


@pytest.mark.parametrize(
    ("kept", "gone", "read_at"),
    [
        (conversation(1, 5), conversation(2, 3), 5),  # nothing is unread in either
        (conversation(6, 5), conversation(2, 3), 5),
        (conversation(1, 5), conversation(4, 3), 3),  # some is in the one that goes
        (conversation(6, 5), conversation(4, 3), 3),
        (conversation(1, 5), conversation(2, None), None),  # nobody has read it
        (conversation(1, None), conversation(2, 3), None),
        (conversation(None, None), conversation(2, 3), 3),  # nothing of the customer's
        (conversation(1, 2), conversation(None, None), 2),
    ],
)
def test_it_is_read_up_to_where_nothing_unread_is_hidden(
    kept: dict[str, Any], gone: dict[str, Any], read_at: int | None
) -> None:
    update = folded(kept, gone, tenant_id=TENANT)
    left = kept.get("readAt")
    if "readAt" in update.get("$unset", {}):
        left = None
    left = update.get("$set", {}).get("readAt", left)
    assert left == (at(read_at) if read_at is not None else None)


def test_what_is_newer_wins_and_the_start_is_the_earlier() -> None:
    last = {"at": at(3), "direction": "IN", "preview": "hi"}
    gone = conversation(3, None, lastMessage=last, windowExpiresAt=at(27), createdAt=at(1))
    update = folded(None, gone, tenant_id=TENANT)
    assert update["$max"] == {
        "lastMessage": last,
        "lastReceivedAt": at(3),
        "windowExpiresAt": at(27),
    }
    assert update["$min"] == {"createdAt": at(1)}
    assert update["$setOnInsert"] == {"tenantId": TENANT, "status": "open"}


def test_who_is_in_charge_stays_so() -> None:
    gone = conversation(None, None, assignee="Asha")
    assert folded({}, gone, tenant_id=TENANT)["$set"] == {"assignee": "Asha"}
    kept = conversation(None, None, assignee="Ben")
    assert "$set" not in folded(kept, gone, tenant_id=TENANT)
