"""How long to wait before a message is tried again, and when to give up."""

import random
from dataclasses import dataclass
from datetime import timedelta

MAX_ATTEMPTS = 5
MAX_WAIT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential with jitter: attempt n waits between half and all of base * 2^(n-1) seconds."""

    base_seconds: float

    def wait(self, attempt: int) -> timedelta:
        """The wait after the given attempt, counted from 1."""
        whole = min(self.base_seconds * 2.0 ** min(attempt - 1, 30), MAX_WAIT_SECONDS)
        return timedelta(seconds=whole * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
