"""What is asked of the buckets, what they answer, and the figures both kinds of bucket count by.

Both keep one time per bucket (GCRA): the theoretical arrival of the next message. A slot is free
while that time plus one interval is at most the burst ahead of now. All times are whole
microseconds, so nothing drifts: a Lua number holds them exactly for another two centuries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

SECOND = 1_000_000

NUMBER_BURST = SECOND // 4
"""How far a number may run ahead of its rate; a worker that comes back this late loses nothing."""

PAIR_INTERVAL = 6 * SECOND
"""Meta: one message per 6 s from a number to the same person (131056 when exceeded) …"""

PAIR_BURST = 45
"""… and up to 45 at once, borrowed from the future: they are paid back at 6 s each."""

MOST_HALVINGS = 4
"""After so many a number keeps a sixteenth of its rate."""

HALVING_LASTS = 30 * SECOND
"""Then the rate doubles, and so on until it is whole."""

PAUSE = SECOND
"""After a 130429 the number has no slot for so long, and further ones do not count."""

BEAT = SECOND // 10
"""A number out of slots is served on its own beat: at 80 a second, 8 slots at a time. Counted from
whenever its last job came, each round would add that job's lateness, and every few seconds one
would have only nine rounds: 74 messages, measured, instead of 80. Coming half a beat early or late
loses nothing: the burst holds 2.5 beats."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one number would send now."""

    per_second: int
    """Its rate, at least 1."""
    recipients: Sequence[str]
    """One slot is asked for each, in this order; the same one may come more than once."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """What one number may send now."""

    waits: Sequence[float | None]
    """For each recipient asked for: 0.0, a slot is yours; more, the pair of number and recipient
    must wait so many seconds; None, the number has no slot now. Only 0.0 used up anything."""
    retry_after: float
    """Seconds until the number has slots worth coming for; 0.0 when none was refused for it."""


@lru_cache(maxsize=256)
def all_granted(recipients: int) -> Reserved:
    """The usual answer: everything that was asked for."""
    return Reserved(waits=(0.0,) * recipients, retry_after=0.0)


def beat_after(number: str, now: int, wait: int) -> int:
    """Microseconds until a number with its next slot in `wait` is worth a job; see `BEAT`.

    The last two digits set numbers apart, so that they do not all come at the same moment.
    """
    if wait >= BEAT // 2:
        return wait  # A slow number: each slot when it comes.
    digits = number[-2:]
    phase = int(digits) * BEAT // 100 if digits.isdecimal() else 0
    return -(-(now + BEAT // 2 - phase) // BEAT) * BEAT + phase - now


def interval_of(per_second: int) -> int:
    """Microseconds per slot, rounded up: never more than the rate, and at most 0.1 % less."""
    return -(-SECOND // per_second)
