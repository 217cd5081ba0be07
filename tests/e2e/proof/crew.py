"""Workers beside the one of `up`, as an operator adds them: `manyline worker`, same settings.

Each life of a worker has a name of its own, the owner of its claims; its log tells it.
"""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import psutil

from tests.e2e.proof.stage import Kill, Stage
from tests.e2e.system import wait_until

READY = re.compile(r"worker\.ready.*?owner=(\S+)")
READY_SECONDS = 30.0
OF_UP = "worker"
"""The place that `up` itself fills, and fills again."""


class Crew:
    """Workers by place; who is killed is replaced."""

    def __init__(self, stage: Stage, directory: Path, places: Sequence[str]) -> None:
        self._stage = stage
        self._directory = directory
        self._environment = psutil.Process(_pid(stage)).environ()
        self._own: dict[str, subprocess.Popen[bytes]] = {}
        self._gone: list[subprocess.Popen[bytes]] = []
        self._killed: set[int | None] = set()
        self.places = (OF_UP, *places)
        for place in places:
            self._start(place)

    def owner(self, place: str) -> str | None:
        """The name of the life that works there now; None before it is ready."""
        lives = READY.findall(self._log(place).read_text(errors="replace"))
        return lives[-1] if lives else None

    async def ready(self) -> None:
        """Return when every worker takes jobs."""
        for place in self.places:
            there = partial(self.owner, place)
            await asyncio.to_thread(wait_until, there, seconds=READY_SECONDS, what=place)

    async def filled(self, place: str) -> None:
        """Return when some process works at the place, or is about to."""
        if place == OF_UP:
            await asyncio.to_thread(wait_until, self._fresh_pid, what=place)

    def _fresh_pid(self) -> int | None:
        """Of `up`'s worker, unless it is the one that was killed and is not missed yet."""
        pid = self._stage.up.pid_of(OF_UP)
        return None if pid in self._killed else pid

    def kill(self, place: str) -> Kill:
        """SIGKILL the worker of a place in this very step; another takes the place soon."""
        owner = self.owner(place)
        if place == OF_UP:
            self._killed.add(self._stage.up.pid_of(OF_UP))
            return self._stage.kill(OF_UP, owner=owner)
        process = self._own[place]
        kill = self._stage.note_kill(place, owner=owner)
        process.send_signal(signal.SIGKILL)
        self._gone.append(process)
        self._start(place)
        return kill

    def end(self) -> None:
        """Leave no process behind."""
        for process in (*self._gone, *self._own.values()):
            process.kill()
            process.wait()

    def _start(self, place: str) -> None:
        with self._log(place).open("ab") as log:
            self._own[place] = subprocess.Popen(
                [sys.executable, "-m", "manyline", "worker"],
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def _log(self, place: str) -> Path:
        """Beside those of `up`, so that a failure shows its last lines."""
        return self._stage.up.data / "logs" / f"{place}.log"


@asynccontextmanager
async def open_crew(stage: Stage, *, others: int = 2) -> AsyncIterator[Crew]:
    """The worker of `up` and so many others, all of them ready."""
    places = [f"worker-{place}" for place in range(2, others + 2)]
    crew = Crew(stage, stage.up.data, places)
    try:
        await crew.ready()
        yield crew
    finally:
        await asyncio.to_thread(crew.end)


def _pid(stage: Stage) -> int:
    pid = stage.up.pid_of(OF_UP)
    assert pid is not None, "the worker of `up` does not run"
    return pid
