"""Targets hold or are missed, and a run's exit code follows them."""

from dataclasses import replace

import pytest

from bench.figures import Figures
from bench.forms import HUNDRED, LONG, SHORT, Form
from bench.growth.full import EMPTY, FULL, GROWTH
from bench.memory import MEMORY
from bench.names import ACKNOWLEDGED, ANSWER_99TH, BARE, END_TO_END, OURS, SEEDS, memory_of
from bench.results import Results

GOOD = {
    ("acknowledged", OURS): 1000.0,
    ("acknowledged", SEEDS): 100.0,
    ("acknowledged", BARE): 2000.0,
    ("end to end", OURS): 800.0,
    ("end to end", SEEDS): 100.0,
    ("99th", OURS): 100.0,
    ("growth", EMPTY): 100.0,
    ("growth", FULL): 85.0,
    ("api", OURS): 200.0,
    ("worker", OURS): 200.0,
}
WHERE = {
    "acknowledged": (HUNDRED.name, "messages", ACKNOWLEDGED),
    "end to end": (HUNDRED.name, "messages", END_TO_END),
    "99th": (HUNDRED.name, "half load", ANSWER_99TH),
    "growth": (GROWTH, "messages", ACKNOWLEDGED),
    "api": (MEMORY, "messages", memory_of("api")),
    "worker": (MEMORY, "messages", memory_of("worker")),
}


def run(form: Form, measured: dict[tuple[str, str], float]) -> Results:
    figures = Figures()
    for (what, who), value in measured.items():
        case, work, name = WHERE[what]
        figures.add(case, who, {(work, name): value})
    return Results("2026-01-02T03:04:05+00:00", form, 60.0, {}, figures)


def test_every_target_holds_at_its_very_bound() -> None:
    found = run(LONG, GOOD)
    assert len(found.targets) == 7
    assert found.all_hold


@pytest.mark.parametrize(
    ("one", "worse"),
    [
        (("acknowledged", OURS), 999.0),
        (("acknowledged", BARE), 2001.0),
        (("end to end", OURS), 799.0),
        (("99th", OURS), 101.0),
        (("growth", FULL), 84.0),
        (("api", OURS), 201.0),
        (("worker", OURS), 201.0),
    ],
    ids=str,
)
def test_one_missed_target_fails_the_long_form(one: tuple[str, str], worse: float) -> None:
    found = run(LONG, {**GOOD, one: worse})
    assert not found.all_hold
    missed = [target for target in found.targets if not target.holds]
    assert 0 < missed[0].missed_by < 0.02
    assert "MISSED by" in missed[0].row()[-1]


@pytest.mark.parametrize("one", GOOD, ids=str)
def test_what_was_not_measured_does_not_hold(one: tuple[str, str]) -> None:
    found = run(LONG, {key: value for key, value in GOOD.items() if key != one})
    assert not found.all_hold


def test_the_short_form_asks_three_fifths_of_the_ratios_and_nothing_else() -> None:
    rates = {key: value for key, value in GOOD.items() if key[0] in ("acknowledged", "end to end")}
    slower = {**rates, ("acknowledged", OURS): 600.0, ("end to end", OURS): 480.0}
    assert run(SHORT, slower).all_hold
    assert not run(SHORT, {**slower, ("acknowledged", OURS): 590.0}).all_hold
    assert not run(replace(SHORT, asks=1.0), slower).all_hold
    assert "not judged" in run(SHORT, slower).targets[-1].row()[-1]
