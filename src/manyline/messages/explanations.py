"""A message's error in the words of the catalogue, made when it is shown and never stored.

So a better explanation holds for old errors too. Errors of our own (expired, unreachable, no
answer) have no Graph code; their title and details say all there is.
"""

from collections.abc import Mapping
from typing import Any

from manyline.messages.states import MessageStatus
from manyline.meta.catalogue import PLATFORM_DOES, ErrorClass, ErrorRow, row_of_error
from manyline.meta.errors import GraphError

STOPS = frozenset({ErrorClass.RECIPIENT, ErrorClass.CONTENT})
# Whatever the class would make of a waiting message: this one waits no more.
HAS_STOPPED = (
    "Has stopped: the message has failed and is in the dead letters. It can be replayed once the"
    " cause is gone."
)


def row_for(error: Mapping[str, Any]) -> ErrorRow | None:
    """The catalogue's row of a kept error; None when it is none of Graph's.

    The same row that decided about it when it came: what else than its code was looked at then
    (subcode, title, HTTP status) is kept with it.
    """
    code = error.get("code")
    if not isinstance(code, int):
        return None
    return row_of_error(
        GraphError(
            status=error.get("httpStatus") or 0,
            code=code,
            title=str(error.get("title", "")),
            is_transient=error.get("transient") is True,
            error_subcode=error.get("subcode"),
        )
    )


def explained(error: Mapping[str, Any] | None, status: MessageStatus) -> dict[str, Any] | None:
    """The error as it is shown with a message that has this status.

    With `class`, `meaning`, `fix`, `href` (Meta's page) and `platformDoes` when it is Graph's.
    """
    if error is None:
        return None
    row = row_for(error)
    if row is None:
        return dict(error)
    does = PLATFORM_DOES[row.error_class]
    if status is MessageStatus.FAILED and row.error_class not in STOPS:
        does = HAS_STOPPED
    return {
        **error,
        "class": row.error_class.value,
        "meaning": row.meaning,
        "fix": row.fix,
        "platformDoes": does,
        "href": row.href,
    }
