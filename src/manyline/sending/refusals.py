"""Why a send is refused at the door: errors that the sender reads, and nothing is stored."""

from datetime import datetime

from manyline.base.errors import ManylineError

OUTSIDE_WINDOW = 131047
"""What Graph says of a free-form message outside the window."""


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


class WindowClosedError(ManylineError):
    """The customer's last message is over 24 hours old: only a template may be sent."""

    code = "window_closed"

    def __init__(self, closed_at: datetime) -> None:
        super().__init__(
            "text: the recipient's 24-hour window is closed since"
            f" {closed_at:%Y-%m-%d %H:%M} UTC, so WhatsApp would refuse free-form text (error"
            f" {OUTSIDE_WINDOW}); send an approved template, or wait until the recipient writes"
            " again. Setting checkWindow to false leaves this to WhatsApp"
        )
        self.closed_at = closed_at
