"""What is derived of a conversation: its hour, and whether anything in it may be unread."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from manyline.base.paging import BadCursorError
from manyline.conversations.models import Conversation, LastMessage, hour_of
from manyline.conversations.repository import _cursor, _position

NOW = datetime(2026, 11, 20, 12, 34, 56, 789_000, tzinfo=UTC)

SECOND = timedelta(seconds=1)


def conversation(**changes: datetime | None) -> Conversation:
    last = LastMessage(at=NOW, direction="IN", preview="hi")
    more = {"last_inbound_at": NOW, **changes}
    return Conversation(
        id=ObjectId(),
        tenant_id=ObjectId(),
        status="open",
        last_message=last,
        created_at=NOW,
        **more,
    )


def test_the_hour_orders_as_the_time_does() -> None:
    assert hour_of(NOW) == datetime(2026, 11, 20, 12, tzinfo=UTC)
    moments = [NOW + timedelta(minutes=13 * n) for n in range(50)]
    hours = [hour_of(moment) for moment in moments]
    assert hours == sorted(hours)


@pytest.mark.parametrize(
    ("changes", "unread"),
    [
        ({}, True),
        ({"last_inbound_at": None}, False),
        ({"read_at": NOW}, False),
        ({"read_at": NOW - timedelta(milliseconds=1)}, True),
        ({"last_inbound_at": None, "read_at": NOW}, False),
        ({"read_at": NOW + SECOND, "last_received_at": NOW + 2 * SECOND}, True),
        ({"read_at": NOW + SECOND, "last_received_at": NOW + SECOND}, False),
    ],
)
def test_only_a_customers_words_can_be_unread(
    changes: dict[str, datetime | None], unread: bool
) -> None:
    assert conversation(**changes).may_be_unread is unread


def test_a_cursor_is_a_place_in_the_list() -> None:
    one = conversation()
    assert _position(_cursor(one)) == (NOW, one.id)
    with pytest.raises(BadCursorError):
        _position("f" + "_" * 26)
