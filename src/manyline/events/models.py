"""What somebody who watches a tenant is told: a new message, a status, a change of the tenant."""

from dataclasses import dataclass
from enum import StrEnum

from bson import ObjectId

from manyline.base.errors import ManylineError
from manyline.messages.models import Message
from manyline.messages.states import MessageStatus
from manyline.tenants.models import Tenant


class EventKind(StrEnum):
    """`tenant` is any change of the tenant itself: paused, active again, other settings."""

    MESSAGE = "message"
    STATUS = "status"
    TENANT = "tenant"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the store's change stream, with no more in it than its filter needs.

    `position` names the place in the stream; positions compare as strings, the later one greater.
    An idle stream moves on too: then `kind` and `subject` are None.
    """

    position: str
    kind: EventKind | None = None
    subject: ObjectId | None = None
    """The message's or the tenant's id."""
    tenant_id: ObjectId | None = None
    """Unknown for a status: the stream names only what was changed."""
    status: MessageStatus | None = None


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """A message that was stored just now, as it stands."""

    position: str
    message: Message


@dataclass(frozen=True, slots=True)
class StatusEvent:
    """A message has reached `status`; it may be further by the time this is read."""

    position: str
    message: Message
    status: MessageStatus


@dataclass(frozen=True, slots=True)
class TenantEvent:
    """The tenant was changed, and is so now."""

    position: str
    tenant: Tenant


Event = MessageEvent | StatusEvent | TenantEvent


class PositionLostError(ManylineError):
    """The store no longer knows what happened since then; read everything anew."""

    code = "position_lost"


class EventsUnavailableError(ManylineError):
    """Nobody can be told of events now; the message says why."""

    code = "events_unavailable"
    retryable = True
