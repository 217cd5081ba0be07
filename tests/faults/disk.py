"""A small disk: a file system of its own, which can be filled up and cleared again. Needs root."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.faults.row import NotPlayableError

CHUNK = bytes(64 * 1024)
SOURCE = "mlfault-{}"
"""What our mounts are called, with the process id of their runner."""


class Disk:
    """A tmpfs of so many megabytes on a directory; `open_disk` mounts it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ballast = directory / "ballast"

    @property
    def room(self) -> int:
        """Bytes that are left."""
        return shutil.disk_usage(self.directory).free

    def fill(self) -> None:
        """Take all the room that is left, in this very step."""
        with self._ballast.open("ab", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(CHUNK)
            except OSError as full:
                assert not self.room, full

    def clear(self) -> None:
        """Give it back."""
        self._ballast.unlink()


@contextmanager
def open_disk(directory: Path, megabytes: int) -> Iterator[Disk]:
    """Made, mounted, and gone afterwards; raises `NotPlayableError` where one may not mount."""
    if os.geteuid() != 0:
        raise NotPlayableError("a file system of its own needs root: run it as root")
    _unmount_leftovers()
    directory.mkdir()
    size, source = f"size={megabytes}m,mode=700", SOURCE.format(os.getpid())
    mount = ("mount", "-t", "tmpfs", "-o", size, source, str(directory))
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotPlayableError(f"`{' '.join(mount)}` failed here: {done.stderr.strip()}")
    try:
        yield Disk(directory)
    finally:
        _unmount(str(directory))


def _unmount(directory: str) -> None:
    # Lazily: it goes with the last that holds it open.
    subprocess.run(("umount", "--lazy", directory), check=True)


def _unmount_leftovers() -> None:
    """Those of runners that are no more: they were killed."""
    for line in Path("/proc/mounts").read_text().splitlines():
        source, directory, *_ = line.split()
        found = re.fullmatch(SOURCE.format(r"(\d+)"), source)
        if found and not psutil.pid_exists(int(found[1])):
            _unmount(directory)
