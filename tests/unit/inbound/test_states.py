"""Ranks: which status may take over from which."""

from itertools import pairwise

from manyline.messages.states import FROM_META, RANK, MessageStatus
from manyline.meta.webhook import STATUSES


def test_an_outgoing_message_climbs_in_this_order() -> None:
    climb = ["queued", "sending", "in_doubt", "sent", "delivered", "read"]
    ranks = [RANK[MessageStatus(name)] for name in climb]
    assert all(lower < higher for lower, higher in pairwise(ranks))


def test_failed_is_final_unless_the_message_arrived_after_all() -> None:
    assert RANK[MessageStatus.SENT] < RANK[MessageStatus.FAILED] < RANK[MessageStatus.DELIVERED]


def test_every_word_of_meta_has_a_status_and_every_status_a_rank() -> None:
    assert set(FROM_META) == STATUSES
    assert set(RANK) == set(MessageStatus)
    assert FROM_META["played"] is MessageStatus.READ
