"""What the host of a virtual machine takes away while something is measured.

A shared host runs others in the machine's place when it sees fit (`steal`), and lets its
disk stand still: it has work, and ends none of it for hundreds of milliseconds. Whoever answers
when all is on the disk answers that much later. Both are nobody's who is measured.
"""

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import psutil

LOOK_SECONDS = 0.005
STILL_SECONDS = 0.02
"""A disk that ends nothing for longer stands still; a small write takes less than a millisecond."""


class Work(NamedTuple):
    """Of a disk, by the kernel's count."""

    ended: int
    """Reads, writes, discards and flushes so far."""
    under_way: int


class Stillness:
    """For how long, in all, a disk had work and ended none of it."""

    def __init__(self, work: Work, now: float) -> None:
        self._work, self._since = work, now
        self.seconds = 0.0

    def note(self, work: Work, now: float) -> None:
        """What it is doing `now` (seconds)."""
        if work.ended == self._work.ended and self._work.under_way:
            return
        if self._work.under_way and now - self._since > STILL_SECONDS:
            self.seconds += now - self._since
        self._work, self._since = work, now


class TakenAway:
    """For `with`: `percent` of the time in which the host took a core or the disk away.

    Of cores the share of all; the disk is that of a directory. What the kernel does not count
    (`/sys/dev/block/*/stat`, whose fields its documentation describes) is not taken.
    """

    def __init__(self, directory: Path) -> None:
        device = directory.stat().st_dev
        self._counts = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._still_seconds = 0.0
        self.percent = 0.0

    def __enter__(self) -> Self:
        self._started, self._cores = time.monotonic(), _cores()
        if self._counts.exists():
            self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._watcher.is_alive():
            self._watcher.join()
        still = self._still_seconds / (time.monotonic() - self._started)
        stolen, spent = (
            after - before for before, after in zip(self._cores, _cores(), strict=True)
        )
        self.percent = 100 * (still + (stolen / spent if spent else 0.0))

    def _watch(self) -> None:
        stillness = Stillness(self._read(), time.monotonic())
        while not self._over.wait(LOOK_SECONDS):
            stillness.note(self._read(), time.monotonic())
        self._still_seconds = stillness.seconds

    def _read(self) -> Work:
        counts = [int(one) for one in self._counts.read_text().split()]
        # Older kernels count neither discards (11) nor flushes (15).
        ended = sum(counts[place] for place in (0, 4, 11, 15) if place < len(counts))
        return Work(ended, under_way=counts[8])


def _cores() -> tuple[float, float]:
    """Seconds of all cores so far that the host took, and all; none where it is not counted."""
    times = psutil.cpu_times()
    return getattr(times, "steal", 0.0), sum(times)
