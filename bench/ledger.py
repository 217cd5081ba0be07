"""What became of a load by a store's own account, for `bench.peers`."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Totals:
    """Messages stored and replies sent; times are the measured's own, to the millisecond."""

    stored: int
    sent: int
    first_stored_at: datetime
    last_sent_at: datetime | None

    @property
    def seconds(self) -> float:
        """From the first webhook that was stored to the last reply that Graph accepted."""
        if self.last_sent_at is None:
            return 0.0
        return (self.last_sent_at - self.first_stored_at).total_seconds()
