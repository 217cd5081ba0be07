"""The disk, which every 200 waits for: brought to rest before a load.

What was done before goes on there for a while: pages of files are written out, and a file system
mounted with `discard` tells the disk what was deleted. A small write that is synced meanwhile was
seen to take 360 ms where it takes 0.5 otherwise, which belongs to nobody who is measured next.
"""

import os
import time
from pathlib import Path
from tempfile import TemporaryFile

BLOCK = bytes(16 * 1024)
PAUSE_SECONDS = 0.005
QUIET_SECONDS = 0.01
QUIET_WRITES = 100
LONGEST_WAIT_SECONDS = 20.0
"""A disk that does not come to rest by then is that of this machine."""


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
