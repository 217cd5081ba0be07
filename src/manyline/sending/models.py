"""What sending decides about a message."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bson import ObjectId

from manyline.messages.models import Pending

# The process that accepted a message may be this far ahead of the one that sends it.
CLOCKS_DIFFER = timedelta(milliseconds=250)


class Wait(StrEnum):
    """Waits that grow; the name of each is the message's field that counts them."""

    PAIR = "pairWaits"
    UNREACHED = "unreached"
    LONG = "longWaits"


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this worker alone may POST, until its lease ends."""

    message: Pending
    owner: str
    """Unique to this claim; the settlement names it, so a late one harms nobody."""
    claimed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """Graph took it."""

    claim: Claim
    wamid: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Requeued:
    """Graph did not take it; it is due again at `due_at`.

    `counts` tells attempts from waits. Without an error it never was tried: a worker hands it back.
    """

    claim: Claim
    at: datetime
    due_at: datetime
    counts: bool = False
    error: dict[str, Any] | None = None
    longer_next_time: Wait | None = None
    """Of this kind of wait the message has had one more; the next one is longer."""
    claim_under_way: bool = False
    """The store did not answer the claim, and may execute it after this."""


@dataclass(frozen=True, slots=True)
class Parked:
    """Meta asks for a long wait: until then it stands in nobody's way."""

    claim: Claim
    at: datetime
    until: datetime
    error: dict[str, Any]
    expires_at: datetime
    """It may be sent until then: a wait that Meta asked for must not make it too old."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It will not be sent; `error` says why. `counts`: a call was made for it."""

    claim: Claim
    at: datetime
    error: dict[str, Any]
    counts: bool = True


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Graph may have taken it, and nobody knows; a status settles it, or a person."""

    claim: Claim
    at: datetime
    reason: str


Settlement = Sent | Requeued | Parked | Failed | InDoubt


@dataclass(frozen=True, slots=True)
class Waiting:
    """The first queued message of a recipient's line."""

    message_id: ObjectId
    tenant_id: ObjectId
    due_at: datetime
    behind: bool
