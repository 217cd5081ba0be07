"""News of a tenant's WhatsApp account: what Meta tells of it, kept as its event log."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from bson.raw_bson import RawBSONDocument


@dataclass(frozen=True, slots=True)
class NewAccountEvent:
    """An event on its way into the log; `content` is encoded already."""

    tenant_id: ObjectId
    field: str
    kind: str
    """`account`, `number`, `template` …: see `meta.webhook.items.AccountKind`."""
    event: str | None
    at: datetime
    told_at: datetime | None
    """By Meta; None where it told no time, and `at` is when the event came."""
    waba_id: str | None
    display_phone_number: str | None
    """Digits alone."""
    content: RawBSONDocument


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """An event of the log, as it is shown."""

    id: bytes
    tenant_id: ObjectId
    field: str
    kind: str
    event: str | None
    at: datetime
    content: dict[str, Any]
