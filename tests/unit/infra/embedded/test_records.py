"""Process records, and that nothing is ended but the very process that was recorded."""

import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from manyline.infra.embedded.orphans import end_orphans
from manyline.infra.embedded.records import ProcessRecords, start_mark


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"], process_group=0)
    yield process
    process.kill()
    process.wait()


def test_records_survive_their_writer(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    file = tmp_path / "processes.json"
    ProcessRecords(file).add("api", sleeper.pid)
    (record,) = ProcessRecords(file).read()
    assert (record.role, record.pid) == ("api", sleeper.pid)
    assert record.is_running()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_zombie_does_not_run(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert start_mark(sleeper.pid) is None


def test_removing_a_record_leaves_its_successor(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    records = ProcessRecords(tmp_path / "processes.json")
    first = records.add("api", sleeper.pid)
    second = records.add("api", os.getpid())
    records.remove(first)
    assert records.read() == [second]


async def test_orphans_are_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    records = ProcessRecords(tmp_path / "processes.json")
    records.add("api", sleeper.pid)
    assert await end_orphans(records) == ["api"]
    assert sleeper.wait(timeout=5) == -signal.SIGTERM
    assert records.read() == []


@pytest.fixture
def stubborn() -> Iterator[subprocess.Popen[bytes]]:
    script = "trap '' TERM; echo ready; while :; do sleep 60; done"
    with subprocess.Popen(["sh", "-c", script], process_group=0, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


async def test_an_orphan_that_ignores_sigterm_is_killed(
    tmp_path: Path, stubborn: subprocess.Popen[bytes]
) -> None:
    records = ProcessRecords(tmp_path / "processes.json")
    records.add("valkey", stubborn.pid)
    await end_orphans(records, grace=0.1)
    assert stubborn.wait(timeout=5) == -signal.SIGKILL


async def test_a_stranger_with_a_reused_pid_is_left_alone(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    file = tmp_path / "processes.json"
    mark = start_mark(sleeper.pid)
    assert mark is not None
    boot, _, ticks = mark.partition(":")
    for started in (f"{boot}:{int(ticks) - 1}", f"another-boot:{ticks}", "ended"):
        file.write_text(json.dumps({"mongod": {"pid": sleeper.pid, "started": started}}))
        assert await end_orphans(ProcessRecords(file)) == []
        assert sleeper.poll() is None


@pytest.mark.parametrize("text", ["", "[]", '{"api": 1}', '{"api": {"pid": "x", "started": ""}}'])
async def test_a_damaged_file_ends_nobody(tmp_path: Path, text: str) -> None:
    file = tmp_path / "processes.json"
    file.write_text(text)
    assert await end_orphans(ProcessRecords(file)) == []
