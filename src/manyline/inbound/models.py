"""What the way in hands from stage to stage: read, routed, encoded, stored."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from manyline.base.errors import ManylineError
from manyline.messages.states import MessageStatus
from manyline.meta.webhook import InboundMessage
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


RoutedItem = RoutedMessage | StatusChange | Quarantined


@dataclass(frozen=True, slots=True)
class Committed:
    """What a flush did with one item; `reply_id` is a reply that is new in the outbox."""

    reply_id: ObjectId | None = None


class BadSignatureError(ManylineError):
    """The webhook is not signed by Meta, as far as we can tell; nothing of it was looked at."""

    code = "bad_signature"  # No alarm: anybody can cause it. The metrics count it.
