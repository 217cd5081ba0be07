"""`--reload`: runs one role as a child and starts it anew when our source changes.

A file that is no Python changes nothing: what ran before goes on until the file is mended. A child
that ends by itself is started again at the next change, or after a wait that grows. The next child
waits beside the one that runs, with its libraries loaded (`standby`).
"""

import asyncio
import ctypes
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from manyline.entry.cli.sources import Sources, mistakes

LOOK_SECONDS = 0.25
# When the one that starts needs the processor no more.
PREPARE_AFTER_SECONDS = 3.0
# A little longer than a worker takes for the calls that are under way.
STOP_SECONDS = 8.0
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


class Reloader:
    """Keeps `argv` running until it is told to stop by SIGTERM or SIGINT.

    `argv` begins its work when it is given a line on standard input.
    `pointless` is the exit code with which a child says that another try would end the same way.
    It is believed until the source changes, which is what another try may then differ by.
    """

    def __init__(
        self,
        name: str,
        argv: tuple[str, ...],
        *,
        root: Path,
        pointless: int,
        say: Callable[[str], None],
    ) -> None:
        self._name = name
        self._argv = argv
        self._sources = Sources(root)
        self._pointless: int | None = pointless
        self._say = say
        self._stopping = asyncio.Event()
        self._wait_seconds = FIRST_WAIT_SECONDS
        self._next: asyncio.subprocess.Process | None = None

    async def run(self) -> int:
        """The child's exit code once all is over."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        try:
            return await self._keep_running()
        finally:
            if self._next is not None:
                self._next.kill()
                await self._next.wait()

    async def _keep_running(self) -> int:
        while True:
            child = await self._start()
            ended = asyncio.create_task(child.wait())
            preparing = asyncio.create_task(self._prepare())
            await self._first_of(ended, self._changed())
            preparing.cancel()
            if self._stopping.is_set():
                return await self._stop(child)
            if not ended.done():
                await self._stop(child)
                self._wait_seconds = FIRST_WAIT_SECONDS
                continue
            code = ended.result()
            if code == self._pointless:
                return code
            await self._rest(code)
            if self._stopping.is_set():
                return code

    async def _start(self) -> asyncio.subprocess.Process:
        child, self._next = self._next or await self._spawn(), None
        if child.stdin is not None and child.returncode is None:
            child.stdin.write(b"go\n")
            child.stdin.close()
        return child

    async def _prepare(self) -> None:
        await asyncio.sleep(PREPARE_AFTER_SECONDS)
        if self._next is None:
            self._next = await self._spawn()

    async def _spawn(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._argv, stdin=subprocess.PIPE, preexec_fn=_die_with_parent
        )

    async def _first_of(self, ended: "asyncio.Task[int]", changed: "asyncio.Task[None]") -> None:
        asked = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({ended, changed, asked}, return_when=asyncio.FIRST_COMPLETED)
        changed.cancel()
        asked.cancel()

    def _changed(self) -> "asyncio.Task[None]":
        return asyncio.create_task(self._until_changed())

    async def _until_changed(self) -> None:
        """Return once a file has changed and every file that has is Python."""
        doubtful: set[Path] = set()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            changed = self._sources.changed()
            if not changed:
                continue
            doubtful.update(changed)
            found = mistakes(sorted(doubtful))
            if not found:
                self._pointless = None
                self._say(f"{_named(changed)} changed; {self._name} starts anew")
                return
            for line in found:
                self._say(f"{line}; {self._name} stays as it is until that is mended")

    async def _rest(self, code: int) -> None:
        """After an end of its own: until a change, or for a while."""
        wait = self._wait_seconds
        self._wait_seconds = min(wait * 2, LONGEST_WAIT_SECONDS)
        self._say(f"{self._name} exited with {code}; again at the next change, or in {wait:.0f} s")
        await self._first_of(asyncio.create_task(_sleep(wait)), self._changed())

    async def _stop(self, child: asyncio.subprocess.Process) -> int:
        if child.returncode is None:
            child.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                return await child.wait()
        except TimeoutError:
            self._say(f"{self._name} did not stop within {STOP_SECONDS:.0f} s; it is ended")
            child.kill()
            return await child.wait()


async def _sleep(seconds: float) -> int:
    await asyncio.sleep(seconds)
    return 0


def _named(files: list[Path]) -> str:
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{files[0].name}{more}"


def _die_with_parent() -> None:
    """Runs in the child: when the reloader is killed, nobody else would end it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGTERM)
