"""One process of a stage: started, stopped, killed, frozen and woken, again and again by its name.

What it prints goes to a log that its lives share; `said` reads only what this life has said.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

STOP_SECONDS = 15.0
POLL_SECONDS = 0.02


async def until(
    check: Callable[[], object], *, seconds: float, what: str, poll: float = POLL_SECONDS
) -> None:
    """Return when `check` is true; `AssertionError` naming `what` when it is not so in time."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(poll)


class Process:
    """A child of this process; at most one life of it runs at a time."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        cwd: Path,
    ) -> None:
        self.name = name
        self.argv = list(argv)
        self.environment = dict(environment)
        self.log = log
        self._cwd = cwd
        self._since = 0
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the life that runs, or of the last one."""
        assert self._child is not None, f"{self.name} was never started"
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it runs; a frozen one does."""
        return self._child is not None and self._child.poll() is None

    @property
    def frozen(self) -> bool:
        """Whether it is stopped by SIGSTOP."""
        return self.alive and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED

    @property
    def said(self) -> str:
        """All that this life has printed."""
        with self.log.open("rb") as log:
            log.seek(self._since)
            return log.read().decode(errors="replace")

    def start(self) -> None:
        """Begin a life; what it needs to be ready is the caller's to wait for."""
        assert not self.alive, f"{self.name} runs already"
        self._since = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self.argv,
                cwd=self._cwd,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def kill(self) -> None:
        """SIGKILL, in this very step."""
        os.kill(self.pid, signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: it holds its connections and does nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    async def ended(self, *, seconds: float = STOP_SECONDS) -> int:
        """Wait for its end; its exit code, negative for a signal."""
        await until(lambda: not self.alive, seconds=seconds, what=f"the end of {self.name}")
        assert self._child is not None
        return self._child.wait()

    async def stop(self) -> int:
        """Ask it to end, as an operator does (SIGTERM); its exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return await self.ended()

    def end(self) -> None:
        """Leave nothing behind, however it is."""
        if self._child is not None:
            if self._child.poll() is None:
                self._child.kill()
            self._child.wait()
