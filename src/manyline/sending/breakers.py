"""Circuit breakers: whom not to call for a while, because the last calls told so.

One for the host, which opens when no connection can be made, and one per number, which opens when
its calls go unanswered: each of those leaves a message in doubt, so few may. An open breaker lets
one probe through when its wait is over, and the wait doubles while probes fail. Waits are short
enough that nobody has to close a breaker by hand, and each worker keeps its own.

A number may also be held for as long as Meta asked for (`hold`).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

FAILURES_TO_OPEN = 3
FIRST_WAIT_SECONDS = 0.5
LONGEST_HOST_WAIT_SECONDS = 10.0
LONGEST_NUMBER_WAIT_SECONDS = 30.0
# While a probe is under way, others ask again this much later.
PROBE_SECONDS = 1.0
# A probe that was let through and never made its call must not close the door for ever.
PROBE_LOST_SECONDS = 30.0


@dataclass(slots=True)
class _Breaker:
    longest_wait: float
    failures: int = 0
    """In a row, of calls that were let through."""
    open_until: float = 0.0
    probe_until: float = 0.0
    """A probe is under way until it reports, at the latest until then."""

    @property
    def is_open(self) -> bool:
        return self.failures >= FAILURES_TO_OPEN

    def wait(self, now: float) -> float:
        if not self.is_open:
            return 0.0
        if now < self.open_until:
            return self.open_until - now
        return PROBE_SECONDS if now < self.probe_until else 0.0

    def failed(self, now: float) -> None:
        """Calls that were under way when it opened say nothing new when they fail too."""
        if self.is_open and not self.probe_until:
            return
        self.failures += 1
        self.probe_until = 0.0
        if self.is_open:
            doublings = min(self.failures - FAILURES_TO_OPEN, 10)
            wait = min(FIRST_WAIT_SECONDS * 2.0**doublings, self.longest_wait)
            self.open_until = now + wait


class Breakers:
    """Of one worker; `wait` and `places` before a call, `answered` or one of the `…ed` after it."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._host = _Breaker(LONGEST_HOST_WAIT_SECONDS)
        self._numbers: dict[str, _Breaker] = {}
        self._held: dict[str, float] = {}

    def wait(self, number: str) -> float:
        """Seconds until asking again is worth it; 0 when a call of this number may start."""
        if not self._numbers and not self._held and not self._host.is_open:
            return 0.0
        now = self._monotonic()
        breaker = self._numbers.get(number)
        waits = (
            self._host.wait(now),
            breaker.wait(now) if breaker else 0.0,
            self._hold_left(number, now),
        )
        return max(waits)

    def places(self, number: str, wanted: int) -> int:
        """How many of the wanted calls may start; a single one where it is a probe."""
        if self.wait(number):
            return 0
        breaker = self._numbers.get(number)
        probed = [each for each in (self._host, breaker) if each is not None and each.is_open]
        if not probed or not wanted:
            return wanted
        now = self._monotonic()
        for each in probed:
            each.probe_until = now + PROBE_LOST_SECONDS
        return 1

    def hold(self, number: str, seconds: float) -> None:
        """No call of this number for so long."""
        until = self._monotonic() + seconds
        self._held[number] = max(until, self._held.get(number, 0.0))

    def not_called(self, number: str) -> None:
        """A call that was let through did not take place; it was no probe."""
        for breaker in (self._host, self._numbers.get(number)):
            if breaker is not None:
                breaker.probe_until = 0.0

    def answered(self, number: str) -> None:
        """Graph answered a call of this number, whatever it said."""
        self._host.failures = 0
        self._numbers.pop(number, None)

    def unreachable(self) -> None:
        """No connection could be made."""
        self._host.failed(self._monotonic())

    def unanswered(self, number: str) -> None:
        """A call of this number left and nothing came back; the host itself was reached."""
        self._host.failures = 0
        breaker = self._numbers.get(number)
        if breaker is None:
            breaker = self._numbers[number] = _Breaker(LONGEST_NUMBER_WAIT_SECONDS)
        breaker.failed(self._monotonic())

    def _hold_left(self, number: str, now: float) -> float:
        left = self._held.get(number, 0.0) - now
        if left <= 0:
            self._held.pop(number, None)
            return 0.0
        return left
