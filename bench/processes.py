"""Child processes of the benchmark: started with a log of their own, ended within a bound."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep

from bench.programs import BenchError

STOP_SECONDS = 15.0
POLL_SECONDS = 0.05


class Process:
    """A running child in `directory`, which also has its log."""

    def __init__(
        self, role: str, argv: Sequence[str], *, environment: Mapping[str, str], directory: Path
    ) -> None:
        self.role = role
        self.log = directory / f"{role}.log"
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=directory,
                # Ctrl-C reaches the benchmark alone, which then stops its children in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def check(self) -> None:
        """Raise `BenchError` with the end of its log when it does not run any more."""
        code = self._child.poll()
        if code is not None:
            tail = self.log.read_text(errors="replace").strip().splitlines()[-3:]
            raise BenchError(f"{self.role} ended with {code}: {' | '.join(tail)}")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that is not enough."""
        if self._child.poll() is None:
            self._child.terminate()
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def manyline(role: str, *, environment: Mapping[str, str], directory: Path) -> Process:
    """`manyline api` or `manyline worker`."""
    argv = [sys.executable, "-m", "manyline", role]
    return Process(role, argv, environment=environment, directory=directory)


def wait_until(check: Callable[[], bool], *, what: str, seconds: float) -> None:
    """Poll `check`; raises `BenchError` naming `what` when it stays false."""
    deadline = monotonic() + seconds
    while not check():
        if monotonic() > deadline:
            raise BenchError(f"{what}: not within {seconds:.0f} s")
        sleep(POLL_SECONDS)
