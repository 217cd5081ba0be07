"""What processes hold while they work: resident memory and descriptors, over one life of each.

Judged is the last quarter of the time against the second: by then every import is done, every
connection is open and the caches have been filled once.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median

import psutil

from tests.faults.processes import Process

QUARTERS = 4
SAMPLES = 400
"""In the whole time."""
MB = 2**20


@dataclass(frozen=True)
class Sample:
    """One process at one moment."""

    at: float
    """As a share of the time."""
    resident: int
    """Bytes (VmRSS)."""
    descriptors: int


@dataclass(frozen=True)
class Allowance:
    """By how much the last quarter's median may be above the second's."""

    resident: int
    """Bytes."""
    descriptors: int


class Footprint:
    """Of one process; a new life of it would be a new process, and is an error here."""

    def __init__(self, name: str, samples: Sequence[Sample]) -> None:
        self.name = name
        self.samples = samples

    def resident(self, quarter: int) -> float:
        """Median of a quarter, 1 to 4, in bytes."""
        return median(one.resident for one in self._of(quarter))

    def descriptors(self, quarter: int) -> float:
        """Median of a quarter, 1 to 4."""
        return median(one.descriptors for one in self._of(quarter))

    @property
    def told(self) -> str:
        """Memory after the first quarter, at half and at the end, and the open descriptors."""
        at = [round(self._near(share).resident / MB) for share in (0.25, 0.5, 1.0)]
        grown = (self.resident(4) - self.resident(2)) / MB
        files = [self.descriptors(quarter) for quarter in (2, 4)]
        most = max(one.descriptors for one in self.samples)
        return (
            f"{self.name} {at[0]}, {at[1]}, {at[2]} MB ({grown:+.1f}),"
            f" descriptors {files[0]:.0f} to {files[1]:.0f}, at most {most}"
        )

    def wrong(self, allowed: Allowance, *, messages: int) -> list[str]:
        """What is not flat; `messages` were stored between the middles of these quarters."""
        lines = []
        grown = self.resident(4) - self.resident(2)
        if grown > allowed.resident:
            each = grown / 1024 / (messages / 1000)
            lines.append(
                f"{self.name} grew by {grown / MB:.1f} MB from the second quarter to the last, that"
                f" is {each:.0f} KB for each 1,000 messages; {allowed.resident / MB:.0f} MB allowed"
            )
        more = self.descriptors(4) - self.descriptors(2)
        if more > allowed.descriptors:
            lines.append(f"{self.name} has {more:.0f} more descriptors in the last quarter")
        return lines

    def _of(self, quarter: int) -> list[Sample]:
        since, until = (quarter - 1) / QUARTERS, quarter / QUARTERS
        return [one for one in self.samples if since <= one.at < until]

    def _near(self, share: float) -> Sample:
        return min(self.samples, key=lambda one: abs(one.at - share))


@asynccontextmanager
async def footprints(
    processes: Sequence[Process], *, seconds: float
) -> AsyncIterator[list[Footprint]]:
    """Look at them during the block, which takes about so long; the list is filled at its end."""
    watched = {process.name: psutil.Process(process.pid) for process in processes}
    samples: dict[str, list[Sample]] = {name: [] for name in watched}
    found: list[Footprint] = []
    watching = asyncio.create_task(_watch(watched, samples, seconds))
    try:
        yield found
        if watching.done():
            watching.result()  # a process that ended by itself: say so
    finally:
        watching.cancel()
        await asyncio.wait([watching])
    found += [Footprint(name, taken) for name, taken in samples.items()]


async def _watch(
    watched: dict[str, psutil.Process], samples: dict[str, list[Sample]], seconds: float
) -> None:
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        for name, process in watched.items():
            with process.oneshot():
                resident, descriptors = process.memory_info().rss, process.num_fds()
            samples[name].append(Sample(passed / seconds, resident, descriptors))
        await asyncio.sleep(seconds / SAMPLES)
