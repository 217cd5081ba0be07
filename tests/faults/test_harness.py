"""The harness itself: fuses burn at the passing that was asked for, and rows can be told apart."""

import json
import os
import re
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from tests.faults import verdict
from tests.faults.__main__ import command_line, rows_asked_for
from tests.faults.armed import PLACES, Fuse, note_beside
from tests.faults.catalogue import all_rows
from tests.faults.changes import BROKEN, CHANGES, attribute_of
from tests.faults.disk import open_disk
from tests.faults.network import open_network
from tests.faults.processes import Process, until
from tests.faults.report import BY_HAND, result_by_hand, with_block
from tests.faults.row import NotPlayableError
from tests.faults.run import Played
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


def test_a_run_leaves_out_what_is_played_by_hand() -> None:
    by_hand = {row.name for row in all_rows() if row.by_hand}
    assert {"mongod-disk-full", "worker-cut-off"} <= by_hand
    assert by_hand.isdisjoint(chosen([]) | chosen(["--short"]))
    assert chosen(["--by-hand"]) == by_hand
    assert chosen(["worker-cut-off", "nothing-wrong"]) == {"worker-cut-off", "nothing-wrong"}


def chosen(words: list[str]) -> set[str]:
    """The rows that a command line names or means."""
    return {row.name for row in rows_asked_for(command_line(words))}


def test_what_is_not_played_by_hand_this_time_stays_on_the_page() -> None:
    first, second, *_ = [row for row in all_rows() if row.by_hand]
    page = "\n".join(["above", BY_HAND.format("begin"), BY_HAND.format("end"), "below"])
    for row, seen in ((first, "once"), (second, "later"), (first, "again")):
        played = [Played(row, 1, None, 60.0, seen=seen)]
        page = with_block(page, BY_HAND, partial(result_by_hand, played, 1))
    lines = {name: line for line in page.splitlines() for name in re.findall("^. `(.+?)`", line)}
    assert lines[first.name].endswith("| again; seed 1, 1.0 minutes |")
    assert lines[second.name].endswith("| later; seed 1, 1.0 minutes |")
    assert set(lines) == {row.name for row in all_rows() if row.by_hand}
    assert page.startswith("above\n<!--")
    assert page.endswith("-->\nbelow")


def test_without_root_there_is_no_network_and_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for opened in (open_network(["api-1"]), open_disk(tmp_path / "disk", 1)):
        with pytest.raises(NotPlayableError, match="root"), opened:
            pass


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
