"""What `up` shows: its own lines, and the lines of its children behind their role's name."""

import os
import sys
from collections.abc import Callable
from typing import TextIO

WIDTH = 9
COLOURS = {"api": "36", "worker": "35"}


class Terminal:
    """Writes whole lines at once. A terminal that went away is no reason to stop serving."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._coloured = self._stream.isatty() and "NO_COLOR" not in os.environ

    def say(self, line: str) -> None:
        """One line, flushed."""
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):
            # Hung up, or the reader of a pipe has gone; the log files still have everything.
            return

    def step(self, role: str, text: str) -> None:
        """One line of progress."""
        self.say(f"  {role:<{WIDTH}}  {text}")

    def lines_of(self, role: str) -> Callable[[str], None]:
        """Shows a line of a child's log, as in `api       | ...`."""
        prefix = f"{role:<{WIDTH}} | "
        if self._coloured:
            prefix = f"\033[{COLOURS.get(role, '33')}m{prefix}\033[0m"
        return lambda line: self.say(prefix + line)
