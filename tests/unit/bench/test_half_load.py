"""Half load: which window counts, and what tells that the host took something away."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from bench import half_load
from bench.half_load import Window
from bench.host import Stillness, TakenAway, Work
from bench.names import ANSWER_99TH, ANSWER_99TH_FIRST, TAKEN_AWAY, WINDOWS
from bench.open_loop import Paced
from bench.programs import BenchError
from bench.stage import Stage
from bench.work import Request

REQUESTS_A_WINDOW = 12


def window(taken_percent: float, p99_ms: float) -> Window:
    return Window(taken_percent, Paced(4.0, p50_ms=1.0, p99_ms=p99_ms, max_ms=p99_ms, refused=0))


def measured(
    monkeypatch: pytest.MonkeyPatch, windows: Sequence[Window], *, requests: int = 1000
) -> tuple[dict[str, float], list[Sequence[Request]]]:
    """What comes out of these windows, and what was sent in each."""
    coming, prepared = iter(windows), list[Sequence[Request]]()
    monkeypatch.setattr(half_load, "_window", lambda *_: next(coming))
    seen = half_load.measure(
        cast("Stage", None),
        _numbered(requests),
        prepare=prepared.append,
        url="",
        per_second=4.0,
        seconds=1.0,
    )
    return {what: value for (_, what), value in seen.items()}, prepared


def _numbered(count: int) -> Iterator[Request]:
    return (Request("/", "", str(number)) for number in range(count))


def test_where_the_host_takes_nothing_the_first_window_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, prepared = measured(monkeypatch, [window(0.4, 300)])
    assert (seen[ANSWER_99TH], seen[ANSWER_99TH_FIRST], seen[WINDOWS]) == (300, 300, 1)
    assert [len(some) for some in prepared] == [REQUESTS_A_WINDOW]


def test_the_first_undisturbed_window_counts_however_slow_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, prepared = measured(monkeypatch, [window(9, 60), window(0.6, 50), window(0.5, 300)])
    assert (seen[ANSWER_99TH], seen[ANSWER_99TH_FIRST]) == (300, 60)
    assert (seen[TAKEN_AWAY], seen[WINDOWS]) == (0.5, 3)
    assert len({one for some in prepared for one in some}) == 3 * REQUESTS_A_WINDOW


def test_where_it_always_takes_the_least_disturbed_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    windows = [window(taken, 60) for taken in (9, 7, 8, 20, 10)] + [window(5, 300)]
    seen, _ = measured(monkeypatch, windows)
    assert (seen[ANSWER_99TH], seen[TAKEN_AWAY], seen[WINDOWS]) == (300, 5, half_load.MOST_WINDOWS)


def test_a_window_is_whole_or_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, prepared = measured(monkeypatch, [window(9, 60), window(10, 50)], requests=30)
    assert (seen[TAKEN_AWAY], seen[WINDOWS], len(prepared)) == (9, 2, 2)
    with pytest.raises(BenchError, match="nothing to send"):
        measured(monkeypatch, [], requests=0)


def test_a_disk_stands_still_while_it_has_work_and_ends_none() -> None:
    disk = Stillness(Work(10, under_way=0), 0.0)
    disk.note(Work(10, under_way=1), 5.0)  # It had nothing to do for five seconds.
    disk.note(Work(10, under_way=2), 5.01)
    disk.note(Work(11, under_way=1), 5.02)  # Twenty milliseconds are no standstill.
    assert disk.seconds == 0
    disk.note(Work(11, under_way=3), 5.25)
    disk.note(Work(14, under_way=1), 5.26)
    disk.note(Work(15, under_way=0), 5.36)
    disk.note(Work(15, under_way=0), 9.0)
    assert disk.seconds == pytest.approx(0.24 + 0.1)


def test_a_disk_that_nobody_counts_is_not_taken_away(tmp_path: Path) -> None:
    taken = TakenAway(tmp_path)
    taken._counts = tmp_path / "no such file"
    with taken:
        pass
    assert taken.percent < 100
