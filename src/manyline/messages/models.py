"""Messages, both ways. The document of an outgoing one is the outbox: it is never lost."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from manyline.base.errors import ManylineError
from manyline.messages.states import Direction, MessageStatus

PHONE = "phone"
HISTORY = "history"
"""Sources of messages that were said elsewhere."""
ELSEWHERE = (PHONE, HISTORY)

AUTO_REPLY_PREFIX = "auto-reply:"
"""Idempotency keys of replies; callers may not begin theirs with it."""


@dataclass(frozen=True, slots=True)
class Message:
    """A stored message as it is shown."""

    id: ObjectId
    tenant_id: ObjectId
    conversation_id: ObjectId
    direction: Direction
    status: MessageStatus
    type: str
    body: str
    content: dict[str, Any]
    source: str
    """`webhook`, `auto-reply`, `api`, `phone` (written in the app there) or `history`."""
    status_at: dict[str, datetime]
    created_at: datetime
    wamid: str | None = None
    sender: str | None = None
    recipient: str | None = None
    idempotency_key: str | None = None
    request_hash: str | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    error: dict[str, Any] | None = None
    pricing: dict[str, Any] | None = None
    history: Sequence[dict[str, Any]] = ()
    """What happened besides plain success, oldest first; see `sending.transitions`."""
    behind: bool = False
    """Parked behind an earlier message to the same recipient."""
    parked_until: datetime | None = None
    """Meta asked for a long wait; until then others go ahead of it."""
    sent_at: datetime | None = None
    """When it was said, by Meta; unknown for what goes out through us."""
    about_wamid: str | None = None
    """Of a reaction, an edit or a revoke: the message it speaks of."""


@dataclass(frozen=True, slots=True)
class NewInbound:
    """A customer's message on its way into the store; `content` is encoded already."""

    id: ObjectId
    tenant_id: ObjectId
    conversation_id: ObjectId
    phone_number_id: str
    wamid: str
    sender: str | None
    type: str
    body: str
    content: RawBSONDocument
    sent_at: datetime
    created_at: datetime
    about_wamid: str | None = None


@dataclass(frozen=True, slots=True)
class NewElsewhere:
    """A message that was said elsewhere than here, and is only written down.

    By the business on its phone, or by either before the number came to the Cloud API. It never
    was in the outbox and never will be.
    """

    id: ObjectId
    tenant_id: ObjectId
    conversation_id: ObjectId
    phone_number_id: str
    wamid: str
    outgoing: bool
    person: str | None
    """The customer: E.164 with `+`, or a business-scoped user id."""
    type: str
    body: str
    content: RawBSONDocument
    source: str
    status: MessageStatus
    sent_at: datetime
    created_at: datetime
    about_wamid: str | None = None


@dataclass(frozen=True, slots=True)
class NewOutbound:
    """A message to send, on its way into the outbox."""

    id: ObjectId
    tenant_id: ObjectId
    conversation_id: ObjectId
    phone_number_id: str
    recipient: str
    """E.164 with `+`, or a business-scoped user id."""
    type: str
    body: str
    content: dict[str, Any]
    source: str
    idempotency_key: str
    created_at: datetime
    request_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """An outgoing message that is not settled yet: what sending needs of it."""

    id: ObjectId
    tenant_id: ObjectId
    conversation_id: ObjectId
    phone_number_id: str
    recipient: str
    content: dict[str, Any] = field(repr=False)
    status: MessageStatus
    attempts: int
    due_at: datetime
    created_at: datetime
    behind: bool = False
    """Parked behind an earlier message to the same recipient."""
    attempts_before: int = 0
    """Attempts made before somebody replayed it; they do not count against this round."""
    pair_waits: int = 0
    """How often Meta asked it to wait for its recipient's sake."""
    unreached: int = 0
    """How often a call of it did not get to Graph."""
    long_waits: int = 0
    """How often Meta asked for a long wait, in this round of attempts."""
    expires_at: datetime | None = None
    """Until when it may be sent, where that is not simply an age."""


@dataclass(frozen=True, slots=True)
class Inserted:
    """What became of one document of a batch: stored now, there already, or refused."""

    new: bool
    refusal: str | None = None


class MessageNotFoundError(ManylineError):
    """This tenant has no such message."""

    code = "message_not_found"
