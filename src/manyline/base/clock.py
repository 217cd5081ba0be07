"""Time for everything that is stored or compared with something stored.

One clock per process, handed in. It follows the store's clock (`hello.localTime`), so a host
that is ten minutes off breaks no lease and no window: all processes agree with MongoDB.
"""

from datetime import UTC, datetime, timedelta
from typing import Protocol

# A correction smaller than this is noise of the measurement (half a round trip), not drift.
NOISE = timedelta(milliseconds=50)


class Clock(Protocol):
    """Tells the time; tests pass one that they move."""

    def now(self) -> datetime:
        """The current UTC time, in whole milliseconds as MongoDB keeps them."""
        ...


class StoreClock:
    """The machine's clock plus the offset that was last measured against the store."""

    def __init__(self) -> None:
        self._offset = timedelta(0)

    @property
    def offset(self) -> timedelta:
        """How far the store is ahead of this machine."""
        return self._offset

    def now(self) -> datetime:
        """The store's current time as far as we know it, UTC, whole milliseconds."""
        return whole_milliseconds(datetime.now(UTC) + self._offset)

    def hold_to(self, *, store_time: datetime, asked_at: datetime, answered_at: datetime) -> None:
        """Take over the store's clock, as read between two readings of this machine's own."""
        middle = asked_at + (answered_at - asked_at) / 2
        offset = store_time - middle
        if abs(offset - self._offset) > max(NOISE, answered_at - asked_at):
            self._offset = offset


def whole_milliseconds(moment: datetime) -> datetime:
    """Cut what BSON dates cannot hold, so a stored time equals the one in memory."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
