"""What the way in hands from stage to stage: read, routed, encoded, stored."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from manyline.accounts.models import NewAccountEvent
from manyline.base.errors import ManylineError
from manyline.inbound.voices import Voice
from manyline.messages.states import MessageStatus
from manyline.meta.webhook import (
    ContactSync,
    EchoMessage,
    InboundMessage,
    PastMessage,
    PreferenceChange,
)
from manyline.tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class RoutedMessage:
    """A customer's message, its tenant, when it was said, and its content in BSON.

    `said_at` is Meta's time where there is one, and never in the future.
    """

    tenant: Tenant
    message: InboundMessage
    said_at: datetime
    content: RawBSONDocument


@dataclass(frozen=True, slots=True)
class RoutedElsewhere:
    """A message that was said elsewhere: on the business' phone, or in the past."""

    tenant: Tenant
    message: EchoMessage | PastMessage
    said_at: datetime
    content: RawBSONDocument


@dataclass(frozen=True, slots=True)
class RoutedContact:
    """An entry of the address book on the business' phone."""

    tenant: Tenant
    contact: ContactSync
    at: datetime


@dataclass(frozen=True, slots=True)
class RoutedPreference:
    """Whether a customer takes marketing messages from now on."""

    tenant: Tenant
    preference: PreferenceChange
    at: datetime


@dataclass(frozen=True, slots=True)
class RoutedEvent:
    """News of a tenant's account, number or templates; of an account it is every tenant's of it."""

    tenant: Tenant
    event: NewAccountEvent


@dataclass(frozen=True, slots=True)
class StatusChange:
    """What Meta says became of a tenant's message.

    `message_id` is our own id, from `biz_opaque_callback_data`; without it the wamid names it.
    """

    tenant_id: ObjectId
    wamid: str
    message_id: ObjectId | None
    status: MessageStatus
    at: datetime
    error: dict[str, Any] | None = None
    pricing: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An item that could not be understood or stored: what came, and why it stands here."""

    tenant_id: ObjectId | None
    phone_number_id: str | None
    reason: str
    raw: bytes
    """Its JSON."""
    part: str = ""
    """The list that it stood in (`messages`, `statuses` …), `change` or `entry`."""
    beside: bytes | None = None
    """A JSON object: what stood around that list and belongs to the item (`metadata`, `contacts`,
    `thread`)."""
    voice: Voice | None = None
    """Who signed, where it is nobody's yet."""


RoutedItem = (
    RoutedMessage
    | StatusChange
    | RoutedElsewhere
    | RoutedContact
    | RoutedPreference
    | RoutedEvent
    | Quarantined
)


class Became(StrEnum):
    """What became of an item."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    """Stored before; nothing was changed but what is still missing was added."""
    RAISED = "raised"
    """A status; its message was found."""
    PARKED = "parked"
    """A status; it waits for its message."""
    NOTED = "noted"
    """A name or a preference, taken into the customer's record."""
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Committed:
    """What a flush did with one item; `reply_id` is a reply that is new in the outbox."""

    became: Became
    reply_id: ObjectId | None = None


class BadSignatureError(ManylineError):
    """The webhook is not signed by the app of the tenants in it; nothing of it was stored."""

    code = "bad_signature"  # No alarm here: anybody can cause it. `trust` raises those it should.
