"""Every error of the Cloud API that matters to a message: what it means and what to do.

One table for answers of Graph and for errors inside `failed` statuses. Meanings follow Meta's
"Error codes" page (May 2026) in our own words; the classes and waits are this platform's choice.
"""

from collections.abc import Mapping
from types import MappingProxyType

from manyline.meta.error_rows.patience import (
    BACKOFF_ROWS,
    FEW_TRIES,
    LONG_WAIT_ROWS,
    UNTOLD_LIMIT_WAIT,
    WAIT_ROWS,
)
from manyline.meta.error_rows.refusals import CONTENT_ROWS, RECIPIENT_ROWS
from manyline.meta.error_rows.row import (
    BACKOFF_TRIES,
    GRAPH_ERRORS_PAGE,
    GRAPH_LIMITS_PAGE,
    PLATFORM_DOES,
    TENANT_TROUBLE,
    ErrorClass,
    ErrorRow,
)
from manyline.meta.error_rows.tenant_trouble import (
    ACCOUNT_ROWS,
    NEW_TOKEN,
    NUMBER_ROWS,
    PERMISSION_CODES,
    TOKEN_ROWS,
)
from manyline.meta.errors import GraphError

__all__ = [
    "BACKOFF_TRIES",
    "CATALOGUE",
    "FALL_BACK_ROWS",
    "FEW_TRIES",
    "PERMISSION_CODES",
    "PLATFORM_DOES",
    "TENANT_TROUBLE",
    "UNTOLD_LIMIT_WAIT",
    "ErrorClass",
    "ErrorRow",
    "row_of",
    "row_of_error",
]

CATALOGUE: Mapping[int, ErrorRow] = MappingProxyType(
    {
        row.code: row
        for row in (
            *TOKEN_ROWS,
            *ACCOUNT_ROWS,
            *NUMBER_ROWS,
            *BACKOFF_ROWS,
            *WAIT_ROWS,
            *LONG_WAIT_ROWS,
            *RECIPIENT_ROWS,
            *CONTENT_ROWS,
        )
        if row.code is not None
    }
)

INVALID_PARAMETER = 100
NO_SUCH_NUMBER = 33

_PASSING = ErrorRow(
    code=None,
    error_class=ErrorClass.BACKOFF,
    meaning="Meta answered with an error that is not in our catalogue and looks like one that"
    " passes.",
    fix="Look at Meta's status page and at the title and details beside the error.",
    href=GRAPH_ERRORS_PAGE,
)
_TOO_MANY = ErrorRow(
    code=None,
    error_class=ErrorClass.WAIT_NUMBER,
    meaning="Meta asked for fewer calls, with a code that is not in our catalogue.",
    fix="Nothing for a single message. If it happens often, look the code up on Meta's page.",
    href=GRAPH_LIMITS_PAGE,
)
_NOT_ALLOWED = ErrorRow(
    code=None,
    error_class=ErrorClass.TOKEN,
    meaning="Meta refused the call as not authorized, with a code that is not in our catalogue.",
    fix="Look the title and details up on Meta's page. As a rule the token is the cause. "
    + NEW_TOKEN,
    href=GRAPH_ERRORS_PAGE,
)
_FOREIGN_PROOF = ErrorRow(
    code=100,
    error_class=ErrorClass.TOKEN,
    meaning="Meta refused the proof that goes with the token (appsecret_proof): the token belongs"
    " to another Meta app than the app secret.",
    fix="Give the tenant the appSecret of the app that made its token, then set its status to"
    " active.",
)
_NOT_ACCEPTED = ErrorRow(
    code=None,
    error_class=ErrorClass.CONTENT,
    meaning="Meta refused the message, with a code that is not in our catalogue; its title and"
    " details say more.",
    fix="Look the code up on Meta's page, correct the message and send it anew.",
    href=GRAPH_ERRORS_PAGE,
)
FALL_BACK_ROWS: Mapping[str, ErrorRow] = MappingProxyType(
    {
        "marked transient by Meta, or HTTP 5xx": _PASSING,
        "HTTP 429": _TOO_MANY,
        "HTTP 401 or 403": _NOT_ALLOWED,
        "anything else": _NOT_ACCEPTED,
    }
)
"""For codes that are not in `CATALOGUE`, in the order in which they are looked at."""


def row_of_error(error: GraphError) -> ErrorRow:
    """The row of an error as Graph answered it.

    Code 100 says two things of the tenant rather than of the message: with subcode 33 that the
    number is not there for this token, and in words that the proof was made by another app.
    """
    if error.code == INVALID_PARAMETER:
        if error.error_subcode == NO_SUCH_NUMBER:
            return CATALOGUE[NO_SUCH_NUMBER]
        if "appsecret_proof" in error.title:
            return _FOREIGN_PROOF
    return row_of(error.code, status=error.status, transient=error.is_transient)


def row_of(code: int | None, *, status: int | None = None, transient: bool = False) -> ErrorRow:
    """The row of a Graph code; for an unknown one what its HTTP status suggests.

    `status` is None for an error inside a `failed` status; `transient` is Graph's `is_transient`.
    """
    known = CATALOGUE.get(code) if code is not None else None
    if known is not None:
        return known
    if transient or (status is not None and status >= 500):
        return _PASSING
    if status == 429:
        return _TOO_MANY
    if status in {401, 403}:
        return _NOT_ALLOWED
    return _NOT_ACCEPTED
