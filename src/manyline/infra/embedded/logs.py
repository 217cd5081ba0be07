"""Log files of children: bounded in size, readable at their end, followed onto a terminal.

Children write to their files themselves, not through a pipe of ours: when `up` is killed they go on
without noticing.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

MOST_BYTES = 32 * 1024 * 1024
POLL_SECONDS = 0.1


def keep_bounded(path: Path, most: int = MOST_BYTES) -> bool:
    """Move what a full file holds to `NAME.1`; True when that was done.

    Copied and cut, not renamed: its writer has it open, for appending, and goes on at the new end.
    What is written between copying and cutting is lost to the file.
    """
    if not path.exists() or path.stat().st_size <= most:
        return False
    shutil.copyfile(path, path.with_name(path.name + ".1"))
    with path.open("r+b") as file:
        file.truncate(0)
    return True


def last_lines(path: Path, count: int = 5, *, most_bytes: int = 16_384) -> list[str]:
    """The last lines that are not blank, oldest first; none when there is no such file."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - most_bytes))
        text = file.read().decode("utf-8", errors="replace")
    return [line for line in text.splitlines() if line.strip()][-count:]


class LogFollower:
    """Hands each whole line that is added to a file to `show`, from the file's present end on."""

    def __init__(self, path: Path, show: Callable[[str], None]) -> None:
        self._path = path
        self._show = show
        self._position = path.stat().st_size if path.exists() else 0
        self._rest = b""

    async def follow(self) -> None:
        """Go on until cancelled; what was written before that is shown first."""
        try:
            while True:
                self.catch_up()
                if keep_bounded(self._path):
                    self._position = 0
                await asyncio.sleep(POLL_SECONDS)
        finally:
            self.catch_up()

    def catch_up(self) -> None:
        """Show what was added since the last look."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            added = file.read()
        self._position += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        for line in lines:
            self._show(line.decode("utf-8", errors="replace").rstrip("\r"))
