"""One child process: started in a process group of its own, recorded, ended within a bound."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from manyline.infra.embedded.errors import BinaryError
from manyline.infra.embedded.logs import keep_bounded
from manyline.infra.embedded.records import ProcessRecords


@dataclass(frozen=True)
class Command:
    """What to run: everything it prints goes to `log`, and it reads nothing."""

    role: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path


class Child:
    """A running process. Tied to no event loop: any loop may wait for it."""

    def __init__(self, command: Command, records: ProcessRecords) -> None:
        """Start it; `BinaryError` when the program cannot be started at all."""
        self.command = command
        self._records = records
        keep_bounded(command.log)
        with command.log.open("ab") as log:
            try:
                # A group of its own: Ctrl-C in the terminal reaches `up` alone, which then stops
                # its children in order. The session stays `up`'s.
                self._process = subprocess.Popen(  # noqa: S603 - argv is ours, no shell
                    command.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=dict(command.environment),
                    process_group=0,
                )
            except OSError as error:
                raise BinaryError(
                    f"{command.argv[0]} cannot be started: {error.strerror or error}"
                ) from None
        self._record = records.add(command.role, self._process.pid)

    @property
    def role(self) -> str:
        """The name of its part: mongod, valkey, api, ..."""
        return self.command.role

    @property
    def pid(self) -> int:
        """Its process id, also that of its process group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    async def wait(self) -> int:
        """Wait for its end and return its exit code."""
        if self.exit_code is None:
            await _ended(self.pid)
        code = self._process.wait()
        self._records.remove(self._record)
        return code

    async def stop(self, grace: float) -> int:
        """Ask it to end (SIGTERM), and after `grace` seconds make it (SIGKILL, its whole group)."""
        if self.exit_code is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(grace):
                return await self.wait()
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> int:
        """End it and whatever it started, at once."""
        self.kill_now()
        return await self.wait()

    def kill_now(self) -> None:
        """SIGKILL without waiting."""
        if self.exit_code is None:
            os.killpg(self.pid, signal.SIGKILL)


async def _ended(pid: int) -> None:
    """Return when the child with that pid has ended; it is left for its parent to reap."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = os.pidfd_open(pid)
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
