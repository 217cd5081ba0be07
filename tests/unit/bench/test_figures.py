"""Medians, paired ratios, and what is kept of a run."""

import pytest

from bench.figures import Figures, Key, number
from bench.forms import LONG, SHORT, Form
from bench.results import Results
from bench.tables import markdown, plain

OURS = Key("100 tenants", "ours", "messages", "acknowledged (1/s)")


def figures(**rates: list[float]) -> Figures:
    found = Figures()
    for who, values in rates.items():
        for value in values:
            found.add(OURS.case, who, {(OURS.work, OURS.what): value})
    return found


def test_a_figure_is_the_median_of_its_rounds_with_their_range() -> None:
    found = figures(ours=[300.0, 100.0, 110.0]).get(*OURS)
    assert found is not None
    assert found.median == 110
    assert found.spread == pytest.approx(200 / 110)
    assert found.told() == "110 (100–300)"


def test_what_was_not_measured_is_none() -> None:
    assert figures(ours=[1.0]).get("100 tenants", "seeds", "messages", "acknowledged (1/s)") is None


def test_a_ratio_compares_the_rounds_that_were_beside_each_other() -> None:
    # The machine was ten times slower in the second round, for both.
    found = figures(ours=[1000.0, 100.0], seeds=[100.0, 10.0])
    assert found.ratio(OURS, OURS._replace(who="seeds")) == (10.0, 10.0)


def test_a_ratio_to_nothing_is_left_out() -> None:
    assert figures(ours=[1.0], seeds=[0.0]).ratio(OURS, OURS._replace(who="seeds")) == ()


@pytest.mark.parametrize("form", [LONG, SHORT], ids=lambda form: form.name)
def test_a_run_comes_back_from_its_json_as_it_was(form: Form) -> None:
    run = Results("2026-01-02T03:04:05+00:00", form, 60.0, {"cores": "2"}, figures(ours=[1.5, 2.0]))
    again = Results.from_json(run.to_json())
    assert again.form == form
    assert list(again.figures) == list(run.figures)
    assert again.to_json() == run.to_json()


def test_numbers_have_the_digits_that_mean_something() -> None:
    assert [number(value) for value in (1234.5, 99.94, 0.123)] == ["1,234", "99.9", "0.12"]


def test_tables_for_a_terminal_and_for_a_page() -> None:
    rows = [("who", "rate"), ("ours", "1,000")]
    assert plain(rows) == "who    rate\nours  1,000"
    assert markdown(rows) == "| who | rate |\n| --- | --- |\n| ours | 1,000 |"
