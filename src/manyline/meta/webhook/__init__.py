"""Meta's webhooks, taken apart: `parse` gives every item of a body, each by itself."""

from manyline.meta.webhook.envelope import parse
from manyline.meta.webhook.items import (
    UNSUPPORTED,
    About,
    AboutKind,
    AccountEvent,
    AccountKind,
    ContactSync,
    EchoMessage,
    IdentityChange,
    InboundMessage,
    Item,
    JsonObject,
    MalformedWebhookError,
    PastMessage,
    PreferenceChange,
    StatusUpdate,
    Unreadable,
)
from manyline.meta.webhook.statuses import STATUSES

__all__ = [
    "STATUSES",
    "UNSUPPORTED",
    "About",
    "AboutKind",
    "AccountEvent",
    "AccountKind",
    "ContactSync",
    "EchoMessage",
    "IdentityChange",
    "InboundMessage",
    "Item",
    "JsonObject",
    "MalformedWebhookError",
    "PastMessage",
    "PreferenceChange",
    "StatusUpdate",
    "Unreadable",
    "parse",
]
