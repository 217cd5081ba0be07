"""The states of a message, and every way from one to another.

An outgoing message climbs: `queued < sending < in_doubt < sent < delivered < read`. `STEPS` are
the moves that sending makes; Meta's statuses raise a message by `RANK` alone. The diagram in
docs/delivery.md is made from these tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """From the customer (IN) or to the customer (OUT)."""

    IN = "IN"
    OUT = "OUT"


class MessageStatus(StrEnum):
    """`received` is the only one of an inbound message; the others are outgoing."""

    RECEIVED = "received"
    QUEUED = "queued"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


RANK = {
    MessageStatus.RECEIVED: 0,
    MessageStatus.QUEUED: 0,
    MessageStatus.SENDING: 1,
    MessageStatus.IN_DOUBT: 2,
    MessageStatus.SENT: 3,
    MessageStatus.FAILED: 4,
    MessageStatus.DELIVERED: 5,
    MessageStatus.READ: 6,
}
"""A status is taken over only when it ranks higher than the one a message has.

So `failed` is final, unless the message turns out to be delivered or read after all.
"""

# Meta's words for statuses, as ours: a voice message that was played was read.
FROM_META = {
    "sent": MessageStatus.SENT,
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.READ,
    "played": MessageStatus.READ,
    "failed": MessageStatus.FAILED,
}


class Move(StrEnum):
    """What sending may do to a message."""

    CLAIM = "claim"
    SETTLE_SENT = "settle_sent"
    TRY_AGAIN = "try_again"
    FAIL = "fail"
    DOUBT = "doubt"
    REPLAY = "replay"
    RESEND = "resend"
    MARK_SENT = "mark_sent"


@dataclass(frozen=True, slots=True)
class Step:
    """From any of `sources` to `target`; `because` is said to whoever reads the diagram."""

    sources: tuple[MessageStatus, ...]
    target: MessageStatus
    because: str


# Answers settle a message from `in_doubt` too: whoever comes back late with Graph's answer knows
# better. `sent` even from `queued`: then it is a resend that is no longer needed.
STEPS: Mapping[Move, Step] = {
    Move.CLAIM: Step(
        (MessageStatus.QUEUED,), MessageStatus.SENDING, "its turn: a worker makes the call"
    ),
    Move.SETTLE_SENT: Step(
        (MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.IN_DOUBT),
        MessageStatus.SENT,
        "Graph answered with a message id",
    ),
    Move.TRY_AGAIN: Step(
        (MessageStatus.SENDING, MessageStatus.IN_DOUBT),
        MessageStatus.QUEUED,
        "Graph did not take it, for a reason that passes",
    ),
    Move.FAIL: Step(
        (MessageStatus.SENDING, MessageStatus.IN_DOUBT),
        MessageStatus.FAILED,
        "Graph refused it for good, or it grew too old",
    ),
    Move.DOUBT: Step(
        (MessageStatus.SENDING,), MessageStatus.IN_DOUBT, "the request left and no answer is known"
    ),
    Move.REPLAY: Step(
        (MessageStatus.FAILED, MessageStatus.IN_DOUBT), MessageStatus.QUEUED, "somebody replays it"
    ),
    Move.RESEND: Step(
        (MessageStatus.IN_DOUBT,), MessageStatus.QUEUED, "the tenant's policy is `resend`"
    ),
    Move.MARK_SENT: Step(
        (MessageStatus.IN_DOUBT,), MessageStatus.SENT, "somebody says that it arrived"
    ),
}


def sources(move: Move) -> list[str]:
    """The states that a move starts from, as a filter takes them."""
    return [status.value for status in STEPS[move].sources]
