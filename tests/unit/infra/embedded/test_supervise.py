"""The supervisor, with children that last a moment and a clock that is moved by hand."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from manyline.infra.embedded.child import Child, Command
from manyline.infra.embedded.errors import BinaryError
from manyline.infra.embedded.records import ProcessRecords
from manyline.infra.embedded.supervise import POINTLESS_EXIT, DeathRecord, Supervisor


class Bench:
    """A supervisor whose waits take no time, and a factory of children."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self.said: list[str] = []
        self.started = 0
        self._folder = folder
        self._records = ProcessRecords(folder / "processes.json")
        self.supervisor = Supervisor(self.said.append, clock=lambda: self.now, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def child(self, script: str) -> Child:
        self.started += 1
        command = Command("toy", ("sh", "-c", script), dict(os.environ), self._folder / "toy.log")
        return Child(command, self._records)

    def watch(self, script: str) -> None:
        self.supervisor.watch(self.child(script), lambda: self.child(script))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.supervisor.release()
    for child in bench.supervisor.children.values():
        await child.kill()


async def test_a_dead_child_is_started_again(bench: Bench) -> None:
    restarted = asyncio.Event()

    def respawn() -> Child:
        restarted.set()
        return bench.child("exec sleep 60")

    first = bench.child("exit 1")
    bench.supervisor.watch(first, respawn)
    async with asyncio.timeout(5):
        await restarted.wait()
    assert bench.supervisor.children["toy"].exit_code is None
    assert bench.supervisor.children["toy"].pid != first.pid
    assert "toy exited with 1" in bench.said[0]


async def test_five_deaths_in_a_minute_are_too_many(bench: Bench) -> None:
    bench.watch("echo nothing works; exit 1")
    async with asyncio.timeout(10):
        reason = await bench.supervisor.beyond_help()
    assert reason.detail.startswith("toy exited with 1: nothing works; its log is ")
    assert reason.detail.endswith("(5 times within a minute)")
    assert bench.started == 5
    assert bench.waits == [0.2, 0.4, 0.8, 1.6]


async def test_a_child_that_says_it_is_pointless_is_not_started_again(bench: Bench) -> None:
    bench.watch(f"echo bad setting; exit {POINTLESS_EXIT}")
    async with asyncio.timeout(5):
        reason = await bench.supervisor.beyond_help()
    assert bench.started == 1
    assert "bad setting" in reason.detail
    assert "times" not in reason.detail


async def test_a_child_that_cannot_be_started_again_ends_it(bench: Bench) -> None:
    def respawn() -> Child:
        raise BinaryError("the program is gone")

    bench.supervisor.watch(bench.child("exit 1"), respawn)
    async with asyncio.timeout(5):
        assert (await bench.supervisor.beyond_help()).detail == "the program is gone"


async def test_a_watch_that_breaks_ends_it(bench: Bench) -> None:
    def respawn() -> Child:
        raise OSError("no space left")

    bench.supervisor.watch(bench.child("exit 1"), respawn)
    async with asyncio.timeout(5):
        assert "no space left" in (await bench.supervisor.beyond_help()).detail


async def test_after_release_a_death_stays_a_death(bench: Bench) -> None:
    bench.watch("exec sleep 60")
    await bench.supervisor.release()
    await bench.supervisor.children["toy"].kill()
    assert bench.started == 1


def test_deaths_far_apart_are_forgiven() -> None:
    now = 0.0
    deaths = DeathRecord(lambda: now)
    for moment in range(0, 200, 16):
        now = float(moment)
        deaths.add()
        assert not deaths.too_many
    assert deaths.wait_seconds == 1.6


def test_the_wait_is_bounded() -> None:
    deaths = DeathRecord(lambda: 0.0)
    for _ in range(12):
        deaths.add()
    assert deaths.wait_seconds == 5.0
