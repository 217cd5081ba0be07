"""A conversation: all that one customer and one tenant say to each other.

Its id is the customer's, so the two never come apart.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId

from manyline.base.errors import ManylineError

# Free-form messages may be sent for 24 hours after the customer's last one (Meta's rule).
WINDOW = timedelta(hours=24)
PREVIEW_LENGTH = 120


@dataclass(frozen=True, slots=True)
class Turn:
    """Something said: what a conversation needs to know of one message."""

    tenant_id: ObjectId
    conversation_id: ObjectId
    at: datetime
    preview: str
    inbound: bool
    received_at: datetime | None = None
    """By our clock; `at` of a customer's words is Meta's, in whole seconds and often older."""
    opens_window: bool = True
    """Whether the customer wrote it just now; not so what is told of the past."""


@dataclass(frozen=True, slots=True)
class LastMessage:
    """What was said last, either way."""

    at: datetime
    direction: str
    preview: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """A stored conversation; what was said in it since `read_at` is unread."""

    id: ObjectId
    tenant_id: ObjectId
    status: str
    last_message: LastMessage
    created_at: datetime
    last_inbound_at: datetime | None = None
    """By Meta's clock."""
    last_received_at: datetime | None = None
    """By ours, as `read_at` is; not before any of the customer's messages was stored."""
    window_expires_at: datetime | None = None
    read_at: datetime | None = None
    assignee: str | None = None

    @property
    def may_be_unread(self) -> bool:
        """Whether anything of the customer's came in since it was read."""
        received_at = self.last_received_at or self.last_inbound_at
        if received_at is None:
            return False
        return self.read_at is None or received_at > self.read_at


class ConversationNotFoundError(ManylineError):
    """This tenant has no such conversation."""

    code = "conversation_not_found"


def hour_of(moment: datetime) -> datetime:
    """The hour that a moment lies in, the coarse key by which conversations are listed."""
    return moment.replace(minute=0, second=0, microsecond=0)
