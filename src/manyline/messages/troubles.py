"""Messages that need a person: the dead letters (`failed`) and the doubts (`in_doubt`)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from manyline.messages.states import MessageStatus

# Before any message. A query must bound `troubleAt`, or its partial index is of no use to it.
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
# The driver cannot turn the very first and last moments of the calendar into UTC.
FAR_AHEAD = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Troubles:
    """Which messages are asked for, by when their trouble began and Graph's code for it."""

    status: MessageStatus
    """`FAILED` or `IN_DOUBT`."""
    code: int | None = None
    since: datetime | None = None
    """From then on, inclusive."""
    until: datetime | None = None
    """Before then, exclusive."""

    def conditions(self) -> dict[str, Any]:
        """As a filter has them, but for the tenant; the index `trouble` answers all of it."""
        began = {"$gte": _storable(self.since or LONG_AGO)}
        if self.until is not None:
            began["$lt"] = _storable(self.until)
        found: dict[str, Any] = {"status": self.status.value, "troubleAt": began}
        if self.code is not None:
            found["error.code"] = self.code
        return found


def _storable(moment: datetime) -> datetime:
    return min(max(moment, LONG_AGO), FAR_AHEAD)
