"""What a row of the error catalogue holds, and the classes that decide about a message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

ERROR_CODES_PAGE = (
    "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes"
)
GRAPH_ERRORS_PAGE = "https://developers.facebook.com/docs/graph-api/guides/error-handling/"
GRAPH_LIMITS_PAGE = "https://developers.facebook.com/docs/graph-api/overview/rate-limiting/"
FLOW_HEALTH_PAGE = "https://developers.facebook.com/docs/whatsapp/flows/guides/healthmonitoring"

BACKOFF_TRIES = 5


class ErrorClass(StrEnum):
    """What kind of trouble an error is; each has one treatment, told in `PLATFORM_DOES`."""

    BACKOFF = "backoff"
    WAIT_NUMBER = "wait_number"
    WAIT_PAIR = "wait_pair"
    WAIT_APP = "wait_app"
    WAIT_LONG = "wait_long"
    RECIPIENT = "recipient"
    CONTENT = "content"
    TOKEN = "tenant_token"  # noqa: S105 - a class of errors
    ACCOUNT = "tenant_account"
    NUMBER = "tenant_number"


TENANT_TROUBLE = frozenset({ErrorClass.TOKEN, ErrorClass.ACCOUNT, ErrorClass.NUMBER})
"""No message of the tenant gets through until a person has acted, so the tenant is paused."""

PLATFORM_DOES: Mapping[ErrorClass, str] = MappingProxyType(
    {
        ErrorClass.BACKOFF: (
            "Keeps the message queued and tries again by itself, waiting longer each time. When"
            " the tries are used up, the message has failed and is in the dead letters."
        ),
        ErrorClass.WAIT_NUMBER: (
            "Keeps the message queued, sends more slowly from this number and speeds up again by"
            " itself. The wait does not count as a try."
        ),
        ErrorClass.WAIT_PAIR: (
            "Keeps the message queued and sends nothing to this recipient for a while, longer each"
            " time it happens; other recipients are served. The wait does not count as a try."
        ),
        ErrorClass.WAIT_APP: (
            "Keeps the message queued and tries again when Meta's limit has room, as far as Meta"
            " says when that is. The wait does not count as a try."
        ),
        ErrorClass.WAIT_LONG: (
            "Parks the message for the time given and tries again then. Meanwhile later messages"
            " to the same recipient go ahead of it. The wait does not count as a try."
        ),
        ErrorClass.RECIPIENT: (
            "Stops: the message has failed and is in the dead letters. Other recipients are not"
            " touched. It can be replayed once the cause is gone."
        ),
        ErrorClass.CONTENT: (
            "Stops: the message has failed and is in the dead letters, with Meta's details beside"
            " it. The same content would be refused again."
        ),
        ErrorClass.TOKEN: (
            "Keeps the message and all others of this tenant queued and pauses the tenant: Graph is"
            " not called for it again. A new access token that Meta accepts resumes sending."
        ),
        ErrorClass.ACCOUNT: (
            "Keeps the message and all others of this tenant queued and pauses the tenant: Graph is"
            " not called for it again. Setting the tenant's status to active resumes sending."
        ),
        ErrorClass.NUMBER: (
            "Keeps the message and all others of this tenant queued and pauses the tenant: Graph is"
            " not called for it again. Setting the tenant's status to active resumes sending."
        ),
    }
)
"""What Manyline does when Graph refuses a message so; words for the API and the documentation."""


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One error of the Cloud API: what it is, what it tells the tenant, what to do about it."""

    code: int | None
    """Graph's code; None for a row that stands in for a code we do not know."""
    error_class: ErrorClass
    meaning: str
    """What happened, for the tenant's developer: one or two sentences."""
    fix: str
    """What to do about it."""
    delay: timedelta | None = None
    """`wait_long`: how long the message is parked. `backoff`: the shortest wait. `wait_app`: the
    wait when Meta gives no time."""
    tries: int = BACKOFF_TRIES
    """`backoff`: calls in all before the message fails."""
    href: str = ERROR_CODES_PAGE
    """Meta's page on it."""
