"""A tenant: a business with its own WhatsApp number, and how it wants to be served."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bson import ObjectId

from manyline.base.errors import ManylineError
from manyline.vault.envelope import SealedSecret
from manyline.vault.keyring import WrappedKey


class TenantStatus(StrEnum):
    """`paused` keeps messages and sends none; `closed` takes no sends at all."""

    ACTIVE = "active"
    PAUSED = "paused"
    CLOSED = "closed"


class InDoubtPolicy(StrEnum):
    """What becomes of a message of which nobody knows whether WhatsApp took it.

    `hold`: a person decides. `resend`: after a wait it is sent again, and may arrive twice.
    """

    HOLD = "hold"
    RESEND = "resend"


DEFAULT_REPLY = "thanks for reaching us\n- team <tenant.name>"
DEFAULT_MESSAGES_PER_SECOND = 80  # What Meta allows a number unless it raises it.
PREVIOUS_SECRET_LIVES = timedelta(days=7)
"""As long as Meta repeats a webhook that was not taken, signed as it was the first time."""


@dataclass(frozen=True)
class AutoReply:
    """Whether a customer's message is answered at once, and with which words.

    `<tenant.name>` in the text becomes the tenant's name.
    """

    enabled: bool = True
    text: str = DEFAULT_REPLY


@dataclass(frozen=True)
class Limits:
    """How fast a number may send."""

    messages_per_second: int = DEFAULT_MESSAGES_PER_SECOND


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """What a tenant may choose; stored and shown in camelCase."""

    auto_reply: AutoReply = field(default_factory=AutoReply)
    limits: Limits = field(default_factory=Limits)
    in_doubt_policy: InDoubtPolicy = InDoubtPolicy.HOLD
    check_window: bool = True
    """Whether a free-form text is refused when the recipient's 24-hour window is known closed."""

    def to_document(self) -> dict[str, Any]:
        """The stored and shown form."""
        return {
            "autoReply": {"enabled": self.auto_reply.enabled, "text": self.auto_reply.text},
            "limits": {"messagesPerSecond": self.limits.messages_per_second},
            "inDoubtPolicy": self.in_doubt_policy.value,
            "checkWindow": self.check_window,
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "TenantSettings":
        """Read the stored form; what is missing has its default."""
        reply = document.get("autoReply") or {}
        limits = document.get("limits") or {}
        return cls(
            auto_reply=AutoReply(
                enabled=reply.get("enabled", AutoReply.enabled),
                text=reply.get("text", AutoReply.text),
            ),
            limits=Limits(
                messages_per_second=limits.get("messagesPerSecond", Limits.messages_per_second)
            ),
            in_doubt_policy=InDoubtPolicy(document.get("inDoubtPolicy") or InDoubtPolicy.HOLD),
            check_window=document.get("checkWindow") is not False,
        )


@dataclass(frozen=True, slots=True)
class PreviousSecret:
    """An app secret that was replaced, and when it ends to be good for webhooks."""

    sealed: SealedSecret
    until: datetime


@dataclass(frozen=True, slots=True)
class Tenant:
    """A stored tenant. Secrets are sealed; `repr` does not show even that."""

    id: ObjectId
    name: str
    phone_number_id: str
    status: TenantStatus
    settings: TenantSettings
    data_key: WrappedKey = field(repr=False)
    access_token: SealedSecret = field(repr=False)
    created_at: datetime
    updated_at: datetime
    version: int
    """Grows with every change; a change applies only to the version it was made from."""
    app_secret: SealedSecret | None = field(default=None, repr=False)
    previous_app_secret: PreviousSecret | None = field(default=None, repr=False)
    """Only beside a current one."""
    waba_id: str | None = None
    display_phone_number: str | None = None
    paused_reason: str | None = None
    paused_code: int | None = None
    """Graph's code that paused it; None when a person did."""
    account: Mapping[str, Any] = field(default_factory=dict)
    """What Meta tells of the number and its account: `{at, value}` by name; see `standing`."""


class PhoneNumberTakenError(ManylineError):
    """Another tenant has this `phoneNumberId`; a number belongs to one tenant."""

    code = "phone_number_taken"


class TenantNotFoundError(ManylineError):
    """No tenant has this id."""

    code = "tenant_not_found"


class TenantChangedError(ManylineError):
    """Somebody else changed the tenant at the same moment; read it again and retry."""

    code = "tenant_changed"
    retryable = True


class TenantNotActiveError(ManylineError):
    """The tenant is closed (or paused) and takes no sends."""

    code = "tenant_not_active"


class MockTokenRefusedError(ManylineError):
    """A `mock_` token in production would claim messages sent that never left."""

    code = "mock_token_refused"


class TokenRefusedError(ManylineError):
    """Graph was asked with the new token and refused it; the tenant is as it was."""

    code = "token_refused"

    def __init__(self, detail: str, *, graph_code: int, fbtrace_id: str | None = None) -> None:
        super().__init__(detail)
        self.graph_code = graph_code
        self.fbtrace_id = fbtrace_id


class GraphUnreachableError(ManylineError):
    """Graph gave no answer about the new token; the tenant is as it was, so try again."""

    code = "graph_unreachable"
    retryable = True
