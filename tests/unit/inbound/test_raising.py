"""Which statuses go into one update."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from manyline.inbound.models import StatusChange
from manyline.inbound.raising.updates import MOST_ROUNDS, Found, rounds
from manyline.messages.states import MessageStatus

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TENANT, ONE, TWO = ObjectId(), ObjectId(), ObjectId()


def told(message_id: ObjectId, status: MessageStatus, at: int = 0, **more: Any) -> Found:
    when = NOW + timedelta(seconds=at)
    return message_id, StatusChange(TENANT, f"wamid.{message_id}", message_id, status, when, **more)


def test_different_messages_and_different_statuses_are_one_round() -> None:
    found = [
        told(who, status)
        for who in (ONE, TWO)
        for status in (MessageStatus.SENT, MessageStatus.READ)
    ]
    assert rounds(found) == ([found], [])


def test_the_same_told_twice_is_one_at_its_earliest_time() -> None:
    late, early = told(ONE, MessageStatus.SENT, 5), told(ONE, MessageStatus.SENT, 2)
    assert rounds([late, early, late]) == ([[early]], [])


def test_one_status_told_in_two_ways_is_two_rounds() -> None:
    plain = told(ONE, MessageStatus.SENT)
    priced = told(ONE, MessageStatus.SENT, pricing={"billable": True})
    other = told(TWO, MessageStatus.SENT)
    assert rounds([plain, other, priced, plain]) == ([[plain, other], [priced]], [])


def test_what_has_no_room_is_answered() -> None:
    found = [told(ONE, MessageStatus.SENT, pricing={"type": str(n)}) for n in range(100)]
    other = told(TWO, MessageStatus.SENT)
    now, later = rounds([*found, other])
    assert now == [[found[0], other], *([one] for one in found[1:MOST_ROUNDS])]
    assert later == [change for _, change in found[MOST_ROUNDS:]]
