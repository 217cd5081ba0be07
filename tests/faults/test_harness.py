"""The harness itself: fuses burn at the passing that was asked for, and rows can be told apart."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.faults import verdict
from tests.faults.armed import PLACES, Fuse, note_beside
from tests.faults.catalogue import all_rows
from tests.faults.changes import BROKEN, CHANGES, attribute_of
from tests.faults.processes import Process, until
from tests.faults.stage import ROOT

DIES_AT_THE_THIRD = """
import sys
from pathlib import Path
from tests.faults.armed import Fuse
fuse = Fuse(Path(sys.argv[1]))
for passing in range(1, 6):
    fuse.passing("claim", "after")
    fuse.passing("claim", "before")
    print(passing, flush=True)
"""


def test_every_row_has_a_name_of_its_own_and_says_what_it_is() -> None:
    rows = all_rows()
    assert {name: count for name, count in Counter(r.name for r in rows).items() if count > 1} == {}
    assert all(row.done and row.holds for row in rows)


def test_every_broken_build_has_rows_that_must_notice() -> None:
    names = {row.name for row in all_rows()}
    for name in BROKEN:
        assert set(CHANGES[name].noticed_by) <= names


@pytest.mark.parametrize("path", PLACES.values())
def test_every_place_is_there(path: str) -> None:
    owner, name = attribute_of(path)
    assert callable(getattr(owner, name))


def test_every_invariant_stands_on_the_page() -> None:
    page = (ROOT / "docs" / "faults.md").read_text()
    assert [name for name in verdict.INVARIANTS if f"| {name} |" not in page] == []


def with_fuse(fuse: Path, wanted: dict[str, object]) -> Process:
    """A process that passes a place five times, and what is laid there."""
    fuse.write_text(json.dumps(wanted))
    return Process(
        "worker-1",
        [sys.executable, "-c", DIES_AT_THE_THIRD, str(fuse)],
        environment={"PYTHONPATH": str(ROOT)},
        log=fuse.parent / "log",
        cwd=fuse.parent,
    )


async def test_a_process_ends_at_the_passing_that_was_asked_for(tmp_path: Path) -> None:
    fuse = tmp_path / "worker-1.fuse"
    wanted = {"place": "claim", "moment": "before", "nth": 3, "deed": "kill"}
    process = with_fuse(fuse, wanted)
    try:
        process.start()
        assert await process.ended() == -9
        assert process.said.split() == ["1", "2"]
        assert json.loads(note_beside(fuse).read_text())["at"] > 0
        assert not fuse.exists()
        process.start()
        assert await process.ended() == 0
        assert process.said.split() == ["1", "2", "3", "4", "5"]
    finally:
        process.end()


async def test_a_frozen_process_goes_on_when_it_is_woken(tmp_path: Path) -> None:
    fuse = tmp_path / "worker-1.fuse"
    wanted = {"place": "claim", "moment": "after", "nth": 2, "deed": "freeze"}
    process = with_fuse(fuse, wanted)
    try:
        process.start()
        await until(lambda: process.frozen, seconds=20, what="it to freeze")
        assert process.said.split() == ["1"]
        process.thaw()
        assert await process.ended() == 0
    finally:
        process.end()


def test_without_a_fuse_nothing_happens(tmp_path: Path) -> None:
    Fuse(tmp_path / "none.fuse").passing("claim", "before")
