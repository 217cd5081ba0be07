"""One child process: its group, its log, its end."""

import os
import signal
from pathlib import Path

import pytest

from manyline.infra.embedded.answering import describe_end, until
from manyline.infra.embedded.child import Child, Command
from manyline.infra.embedded.errors import BinaryError, StartError
from manyline.infra.embedded.records import ProcessRecords, start_mark


@pytest.fixture
def records(tmp_path: Path) -> ProcessRecords:
    return ProcessRecords(tmp_path / "processes.json")


def shell(tmp_path: Path, script: str) -> Command:
    return Command("toy", ("sh", "-c", script), dict(os.environ), tmp_path / "toy.log")


async def test_what_it_prints_is_in_its_log(tmp_path: Path, records: ProcessRecords) -> None:
    child = Child(shell(tmp_path, "echo out; echo err >&2; read x || exit 7"), records)
    assert await child.wait() == 7
    assert (tmp_path / "toy.log").read_text() == "out\nerr\n"
    assert describe_end(child) == f"toy exited with 7: err; its log is {tmp_path / 'toy.log'}"


async def test_it_has_a_group_of_its_own_in_our_session(
    tmp_path: Path, records: ProcessRecords
) -> None:
    child = Child(shell(tmp_path, "exec sleep 60"), records)
    assert os.getpgid(child.pid) == child.pid
    assert os.getsid(child.pid) == os.getsid(0)
    assert [record.pid for record in records.read()] == [child.pid]
    assert await child.stop(5) == -signal.SIGTERM
    assert records.read() == []
    assert await child.stop(5) == -signal.SIGTERM


async def test_past_its_grace_it_is_killed_with_what_it_started(
    tmp_path: Path, records: ProcessRecords
) -> None:
    script = "trap '' TERM; sleep 60 & echo $!; wait; wait"
    child = Child(shell(tmp_path, script), records)
    log = tmp_path / "toy.log"

    async def printed() -> bool:
        return log.read_text().endswith("\n")

    await until(child, printed, seconds=5)
    assert await child.stop(0.05) == -signal.SIGKILL
    grandchild = int(log.read_text())

    async def gone() -> bool:
        return start_mark(grandchild) is None

    patient = Child(shell(tmp_path, "exec sleep 60"), records)
    await until(patient, gone, seconds=5)
    await patient.kill()


async def test_ending_before_it_answers_is_an_error_at_once(
    tmp_path: Path, records: ProcessRecords
) -> None:
    child = Child(shell(tmp_path, "echo no port >&2; exit 3"), records)

    async def never() -> bool:
        return False

    with pytest.raises(StartError, match=r"toy exited with 3: no port; its log is .+toy\.log"):
        await until(child, never, seconds=30)


async def test_not_answering_in_time_is_an_error(tmp_path: Path, records: ProcessRecords) -> None:
    child = Child(shell(tmp_path, "exec sleep 60"), records)

    async def never() -> bool:
        return False

    with pytest.raises(StartError, match="did not answer within"):
        await until(child, never, seconds=0.05)
    await child.kill()


def test_a_missing_program_is_one_clear_line(tmp_path: Path, records: ProcessRecords) -> None:
    command = Command("toy", ("/nowhere/mongod",), {}, tmp_path / "toy.log")
    with pytest.raises(BinaryError, match="/nowhere/mongod cannot be started: No such file"):
        Child(command, records)


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        (
            "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared"
            " object file: No such file or directory",
            "it needs the shared library libcurl.so.4: apt-get install libcurl4",
        ),
        (
            '{"s":"E","msg":"DBException, terminating","attr":{"error":"DBPathInUse: locked"}}\n'
            '{"s":"F","msg":"\\\\n\\\\n***aborting after fassert() failure\\\\n"}\n'
            '{"s":"I","msg":"Now exiting"}',
            "DBException, terminating: DBPathInUse: locked",
        ),
        ("", "it said nothing"),
    ],
)
async def test_the_reason_is_taken_from_the_log(
    tmp_path: Path, records: ProcessRecords, printed: str, reason: str
) -> None:
    child = Child(shell(tmp_path, f"printf '%b' '{printed}'; exit 1"), records)
    await child.wait()
    assert f": {reason};" in describe_end(child)
