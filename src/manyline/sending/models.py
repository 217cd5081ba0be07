"""What sending decides about a message, and the errors a sender reads."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from manyline.base.errors import ManylineError
from manyline.messages.models import Pending

# The process that accepted a message may be this far ahead of the one that sends it.
CLOCKS_DIFFER = timedelta(milliseconds=250)


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this worker alone may POST, until its lease ends."""

    message: Pending
    owner: str
    """Unique to this claim; the settlement names it, so a late one harms nobody."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """Graph took it."""

    claim: Claim
    wamid: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Requeued:
    """Graph did not take it; it is due again at `due_at`. `counts` tells attempts from waits."""

    claim: Claim
    due_at: datetime
    counts: bool
    error: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Failed:
    """It will not be sent; `error` says why in words for the tenant."""

    claim: Claim
    at: datetime
    error: dict[str, Any]


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Graph may have taken it, and nobody knows; a status settles it, or a person."""

    claim: Claim
    at: datetime
    reason: str


Settlement = Sent | Requeued | Failed | InDoubt


@dataclass(frozen=True, slots=True)
class Waiting:
    """The first queued message of a recipient's line."""

    message_id: ObjectId
    tenant_id: ObjectId
    due_at: datetime
    behind: bool


class BadRecipientError(ManylineError):
    """`to` is not a phone number that could exist."""

    code = "bad_recipient"


class ReservedKeyError(ManylineError):
    """Keys that begin with `auto-reply:` belong to the product."""

    code = "reserved_idempotency_key"


class KeysDifferError(ManylineError):
    """One request names two idempotency keys."""

    code = "idempotency_keys_differ"


class IdempotencyConflictError(ManylineError):
    """The key was used for another message; a new message needs a new key."""

    code = "idempotency_conflict"
