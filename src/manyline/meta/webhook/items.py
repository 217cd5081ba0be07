"""What a webhook holds, one record per item, each routed by its own number."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from manyline.base.errors import ManylineError

JsonObject = dict[str, Any]

UNSUPPORTED = "unsupported"
"""The type of a message that Meta could not hand on, or whose type is not known here; the kind of
an account event whose field is not known here."""

AboutKind = Literal["reaction", "edit", "revoke"]
AccountKind = Literal[
    "account",  # reviews, restrictions, bans, violations, partners, payments
    "business",  # what a business may do, its name, its portfolio
    "calls",
    "errors",  # trouble that Meta tells of a number, not of one message
    "groups",
    "history",  # how the sharing of past messages goes, or that it was declined
    "number",  # name, quality, limits
    "security",
    "template",
    "unsupported",
]


class MalformedWebhookError(ManylineError):
    """The body is not a webhook at all; the message says what is wrong with it."""

    code = "malformed_webhook"


@dataclass(frozen=True, slots=True)
class About:
    """The earlier message that a message speaks of instead of standing by itself."""

    kind: AboutKind
    wamid: str


@dataclass(frozen=True, slots=True)
class IdentityChange:
    """A customer is now known by something else; numbers are E.164 with `+`."""

    old_phone: str | None = None
    new_phone: str | None = None
    old_user_id: str | None = None
    new_user_id: str | None = None


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message of a customer. `content` is the Cloud API's message object as it came.

    Of `sender` and `user_id` at least one is there. In a message of type `system` they are what
    the customer was known by when Meta wrote it, and `changed` says what became of that.
    """

    phone_number_id: str
    wamid: str
    sender: str | None
    """E.164 with `+`; may be missing for a customer who is known by `user_id` only."""
    user_id: str | None
    sender_name: str | None
    type: str
    """Meta's word, or `unsupported`; then Meta's word is `content["type"]`."""
    body: str
    """The text a person would read: the words, a caption, a title, or ''."""
    sent_at: datetime | None
    """Meta's timestamp; None when the item carries none (then it counts as now)."""
    content: JsonObject
    parent_user_id: str | None = None
    """The BSUID across the portfolios of one enterprise (`CC.ENT.…`)."""
    username: str | None = None
    group_id: str | None = None
    about: About | None = None
    """Of a reaction, an edit or a revoke that names its message."""
    changed: IdentityChange | None = None
    forwarded: bool = False


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """What became of a message that we sent."""

    phone_number_id: str
    wamid: str
    status: str
    """One of `STATUSES`."""
    at: datetime | None
    opaque: str | None
    """`biz_opaque_callback_data`: our message id, when it was our send."""
    error: JsonObject | None
    """Of a `failed` status: `code`, `title`, `details`, each where given."""
    pricing: JsonObject | None
    recipient: str | None = None
    """E.164 with `+`; None where Meta names only a user id, and for a group."""
    recipient_user_id: str | None = None


@dataclass(frozen=True, slots=True)
class EchoMessage:
    """What the business wrote to a customer from the WhatsApp Business app on its phone."""

    phone_number_id: str
    wamid: str
    recipient: str | None
    """E.164 with `+`; of it and `user_id` at least one is there."""
    user_id: str | None
    type: str
    body: str
    sent_at: datetime | None
    content: JsonObject
    about: About | None = None


@dataclass(frozen=True, slots=True)
class PastMessage:
    """A message from before the number came to the Cloud API. Thousands come in one webhook."""

    phone_number_id: str
    wamid: str
    outgoing: bool
    """The business wrote it; otherwise the customer did."""
    customer: str | None
    """E.164 with `+`; of it and `user_id` at least one is there."""
    user_id: str | None
    type: str
    body: str
    sent_at: datetime | None
    status: str | None
    """Meta's `history_context.status`, lower case (`read`, `delivered`, `pending`, `error` …)."""
    content: JsonObject
    about: About | None = None


@dataclass(frozen=True, slots=True)
class ContactSync:
    """An entry in the address book of the business' phone: added, edited or removed."""

    phone_number_id: str
    phone: str | None
    """E.164 with `+`; of it and `user_id` at least one is there."""
    name: str | None
    removed: bool
    at: datetime | None
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class PreferenceChange:
    """A customer stopped, or takes again, messages of a category (`marketing_messages`)."""

    phone_number_id: str
    sender: str | None
    """E.164 with `+`; of it and `user_id` at least one is there."""
    user_id: str | None
    category: str
    stopped: bool
    at: datetime | None


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """News of an account, a number or a template; no single message or customer is meant."""

    field: str
    """The webhook field's name as it came."""
    kind: AccountKind
    waba_id: str | None
    """Where the event belongs when it names no number."""
    phone_number_id: str | None
    display_phone_number: str | None
    """Digits alone, without `+`."""
    event: str | None
    """Meta's word for what happened, as it came."""
    at: datetime | None
    """The entry's time; None when it carries none (then it counts as now)."""
    content: JsonObject
    """The change's `value` as it came; of `errors` and `history`, the part that tells it."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item that could not be understood, and why; `item` is what came."""

    phone_number_id: str | None
    reason: str
    item: object
    part: str = ""
    """The list it stood in (`messages`, `statuses`, `message_echoes` …), `change` or `entry`."""
    raw: bytes | None = None
    """The item's JSON as it came, when it cannot be had from `item` (which is then None)."""


Item = (
    InboundMessage
    | StatusUpdate
    | EchoMessage
    | PastMessage
    | ContactSync
    | PreferenceChange
    | AccountEvent
    | Unreadable
)
