"""The report's tables: which figures stand side by side."""

import statistics

from bench.figures import Figures
from bench.forms import HUNDRED, ONE, TEN_THOUSAND
from bench.growth.full import EMPTY, FULL, GROWTH
from bench.memory import MEMORY
from bench.names import (
    ACKNOWLEDGED,
    ANSWER_99TH,
    ANSWER_99TH_FIRST,
    ANSWER_MEDIAN,
    ANSWER_MOST,
    BARE,
    END_TO_END,
    OTHERS,
    OURS,
    OURS_TWICE,
    SEEDS,
    TAKEN_AWAY,
    WINDOWS,
    cpu_of,
    memory_of,
)
from bench.results import Results
from bench.tables import Row

WHO = (SEEDS, OURS, OURS_TWICE, BARE)
CASES = (ONE, HUNDRED, TEN_THOUSAND)
RATES = (
    ("messages", ACKNOWLEDGED),
    ("messages", END_TO_END),
    ("mixed", ACKNOWLEDGED),
    ("mixed", END_TO_END),
    ("sends", ACKNOWLEDGED),
    ("sends", END_TO_END),
)
ANSWERS = (
    ACKNOWLEDGED,
    ANSWER_MEDIAN,
    ANSWER_99TH,
    ANSWER_MOST,
    TAKEN_AWAY,
    WINDOWS,
    ANSWER_99TH_FIRST,
)
ROLES = ("api", "worker", "mongod", "valkey", "graph", "load", "all")
NOTHING = "–"
QUIET_PERCENT = 5
"""Below this, others on the machine do not matter; the counting itself is off by as much."""


def target_rows(results: Results) -> list[Row]:
    """Every target, what was seen, and by how much it is missed."""
    return [("target", "bound", "seen", ""), *(target.row() for target in results.targets)]


def rate_rows(figures: Figures) -> list[Row]:
    """Requests a second, by case and work."""
    rows: list[Row] = [("case", "work", "figure", *WHO)]
    for case in CASES:
        for work, what in RATES:
            cells = [_cell(figures, case.name, who, work, what) for who in WHO]
            if any(cell != NOTHING for cell in cells):
                rows.append((case.name, work, what, *cells))
    return rows


def answer_rows(figures: Figures) -> list[Row]:
    """Times to answer at half load."""
    rows: list[Row] = [("half load", *WHO[:3])]
    rows += [
        (what, *(_cell(figures, HUNDRED.name, who, "half load", what) for who in WHO[:3]))
        for what in ANSWERS
    ]
    return rows


def cpu_rows(figures: Figures, work: str) -> list[Row]:
    """CPU per request of each process at one kind of work, with a hundred tenants."""
    rows: list[Row] = [(f"{work}, µs a request", *WHO)]
    rows += [(role, *(_cpu_cell(figures, who, work, role) for who in WHO)) for role in ROLES]
    return rows


def memory_rows(figures: Figures) -> list[Row]:
    """The most memory of api and worker, in a round and after very many messages."""
    rows: list[Row] = [("MB", SEEDS, OURS, "ours, after the long run")]
    for role in ("api", "worker"):
        what = memory_of(role)
        rows.append(
            (
                role,
                _cell(figures, HUNDRED.name, SEEDS, "round", what),
                _cell(figures, HUNDRED.name, OURS, "round", what),
                _cell(figures, MEMORY, OURS, "messages", what),
            )
        )
    return rows


def growth_rows(figures: Figures) -> list[Row]:
    """Empty against full."""
    rows: list[Row] = [("messages, 10,000 tenants", EMPTY, FULL)]
    rows += [
        (what, *(_cell(figures, GROWTH, who, "messages", what) for who in (EMPTY, FULL)))
        for what in (ACKNOWLEDGED, END_TO_END, cpu_of("mongod"))
    ]
    return rows


def others(figures: Figures) -> str:
    """How much of the machine was not the benchmark's, and what that means."""
    shares = [value for one in figures if one.key.what == OTHERS for value in one.values]
    if not shares:
        return ""
    told = (
        f"Programs outside the benchmark took {statistics.median(shares):.0f} % of the machine's"
        f" CPU time at the median of all loads, {max(shares):.0f} % at most."
    )
    if statistics.median(shares) <= QUIET_PERCENT:
        return told
    return f"{told} That is too much for single figures to mean anything: only ratios do."


def _cpu_cell(figures: Figures, who: str, work: str, role: str) -> str:
    """A role's first process and its others together, by their medians."""
    names = (role, f"{role}-2") if who == OURS_TWICE else (role,)
    found = [figures.get(HUNDRED.name, who, work, cpu_of(name)) for name in names]
    known = [one.median for one in found if one is not None]
    return f"{sum(known):,.0f}" if known else NOTHING


def _cell(figures: Figures, case: str, who: str, work: str, what: str) -> str:
    found = figures.get(case, who, work, what)
    return found.told() if found else NOTHING
