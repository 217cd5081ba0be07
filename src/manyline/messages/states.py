"""The states of a message, and which may follow which.

An outgoing message only climbs: `queued < sending < in_doubt < sent < delivered < read`. The one
way down is from `sending` back to `queued`, when we know that Graph did not take it. `failed` is
final unless the message turns out to be delivered or read after all.
"""

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
"""A status is taken over only when it ranks higher than the one a message has."""

# Meta's words for statuses, as ours: a voice message that was played was read.
FROM_META = {
    "sent": MessageStatus.SENT,
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.READ,
    "played": MessageStatus.READ,
    "failed": MessageStatus.FAILED,
}
