"""The disk, which every 200 waits for: brought to rest before a load, and watched during it.

What was done before goes on there for a while: pages of files are written out, and a file system
mounted with `discard` tells the disk what was deleted. A small write that is synced meanwhile was
seen to take 360 ms where it takes 0.5 otherwise, which belongs to nobody who is measured next.

And a virtual disk stands still whenever its host sees fit: it has work, and ends none of it for
hundreds of milliseconds. Whoever answers when all is on the disk answers that much later.
"""

import os
import threading
import time
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import NamedTuple, Self

BLOCK = bytes(16 * 1024)
PAUSE_SECONDS = 0.005
QUIET_SECONDS = 0.01
QUIET_WRITES = 100
LONGEST_WAIT_SECONDS = 20.0
"""A disk that does not come to rest by then is that of this machine."""
LOOK_SECONDS = 0.01


def come_to_rest(directory: Path) -> float:
    """Return once so many small writes in a row were synced quickly; milliseconds of the slowest.

    Of those last ones: what is waited out is not counted.
    """
    os.sync()
    ends = time.monotonic() + LONGEST_WAIT_SECONDS
    with TemporaryFile(dir=directory, buffering=0) as file:
        last: list[float] = []
        while len(last) < QUIET_WRITES:
            if time.monotonic() < ends and last and last[-1] > QUIET_SECONDS:
                last.clear()
            last.append(_synced(file.fileno()))
            time.sleep(PAUSE_SECONDS)
    return max(last) * 1e3


def _synced(file: int) -> float:
    """Seconds that a block takes to the disk."""
    started = time.perf_counter()
    os.write(file, BLOCK)
    os.fdatasync(file)
    return time.perf_counter() - started


class Work(NamedTuple):
    """Of a disk, by the kernel's count."""

    ended: int
    """Reads, writes, discards and flushes so far."""
    under_way: int


class Stillness:
    """How long a disk had work and ended none of it."""

    def __init__(self, work: Work, now: float) -> None:
        self._work, self._since = work, now
        self.longest_ms = 0.0

    def note(self, work: Work, now: float) -> None:
        """What it is doing `now` (seconds)."""
        if work.ended != self._work.ended or not self._work.under_way:
            self._work, self._since = work, now
        self.longest_ms = max(self.longest_ms, (now - self._since) * 1e3)


class Standstill:
    """For `with`: watches the disk of a directory.

    `longest_ms`: the longest time in which it had work and ended none, to 10 ms; 0 where the kernel
    does not count (`/sys/dev/block/*/stat`, whose fields are described in its documentation).
    """

    def __init__(self, directory: Path) -> None:
        device = directory.stat().st_dev
        self._counts = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self.longest_ms = 0.0

    def __enter__(self) -> Self:
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

    def _watch(self) -> None:
        stillness = Stillness(self._read(), time.monotonic())
        while not self._over.wait(LOOK_SECONDS):
            stillness.note(self._read(), time.monotonic())
            self.longest_ms = stillness.longest_ms

    def _read(self) -> Work:
        counts = [int(one) for one in self._counts.read_text().split()]
        # Older kernels count neither discards (11) nor flushes (15).
        ended = sum(counts[place] for place in (0, 4, 11, 15) if place < len(counts))
        return Work(ended, under_way=counts[8])
