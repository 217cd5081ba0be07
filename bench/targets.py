"""What has to hold, and how far what was seen is from it."""

import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from bench.figures import Figures, Key, number
from bench.forms import HUNDRED, LONG, Form
from bench.growth.full import EMPTY, FULL, GROWTH
from bench.memory import MEMORY
from bench.names import ACKNOWLEDGED, ANSWER_99TH, BARE, END_TO_END, OURS, SEEDS, memory_of


@dataclass(frozen=True)
class Target:
    """A bound, and what was seen; `unit` follows both."""

    what: str
    bound: float
    at_least: bool
    unit: str
    seen: float | None
    judged: bool

    @property
    def holds(self) -> bool:
        """Whether it does; what was not measured does not."""
        if self.seen is None:
            return False
        return self.seen >= self.bound if self.at_least else self.seen <= self.bound

    @property
    def missed_by(self) -> float:
        """The share that is lacking or too much; 0 when it holds, 1 when it was not measured."""
        if self.holds:
            return 0.0
        if self.seen is None:
            return 1.0
        return abs(self.seen - self.bound) / self.bound

    def to_json(self) -> dict[str, Any]:
        """The bound, what was seen, and the verdict."""
        return {**asdict(self), "holds": self.holds, "missed_by": round(self.missed_by, 4)}

    def row(self) -> tuple[str, str, str, str]:
        """For the table: what, bound, seen, verdict."""
        sign = "≥" if self.at_least else "≤"
        seen = "not measured" if self.seen is None else f"{_told(self.seen)} {self.unit}"
        verdict = "holds" if self.holds else f"MISSED by {self.missed_by:.0%}"
        if not self.judged:
            verdict = "not judged in this form"
        return self.what, f"{sign} {_told(self.bound)} {self.unit}", seen, verdict


def targets(figures: Figures, form: Form) -> list[Target]:
    """Every target of the long form; those that a short run cannot judge are only shown in it."""
    return [*_ratios(figures, form), *_others(figures, form)]


def _ratios(figures: Figures, form: Form) -> Iterator[Target]:
    def ratio(what: str, bound: float, unit: str, figure: str, other: str) -> Target:
        over = Key(HUNDRED.name, OURS, "messages", figure)
        ratios = figures.ratio(over, over._replace(who=other))
        seen = statistics.median(ratios) if ratios else None
        return Target(what, bound * form.asks, at_least=True, unit=unit, seen=seen, judged=True)

    yield ratio("acknowledged, against the seeds", 10, "times", ACKNOWLEDGED, SEEDS)
    yield ratio("end to end, against the seeds", 8, "times", END_TO_END, SEEDS)
    yield ratio("acknowledged, against the bare limit", 0.5, "of it", ACKNOWLEDGED, BARE)


def _others(figures: Figures, form: Form) -> Iterator[Target]:
    judged = form.judges_all
    answered = figures.get(HUNDRED.name, OURS, "half load", ANSWER_99TH)
    yield Target(
        "99th of the time to answer, half load",
        100,
        at_least=False,
        unit="ms",
        seen=answered.median if answered else None,
        judged=judged,
    )
    grown = figures.ratio(
        Key(GROWTH, FULL, "messages", ACKNOWLEDGED), Key(GROWTH, EMPTY, "messages", ACKNOWLEDGED)
    )
    yield Target(
        "acknowledged with a full database, against an empty one",
        0.85,
        at_least=True,
        unit="of it",
        seen=statistics.median(grown) if grown else None,
        judged=judged,
    )
    for role in ("api", "worker"):
        most = figures.get(MEMORY, OURS, "messages", memory_of(role))
        yield Target(
            f"{role}: memory after {form.memory_messages or LONG.memory_messages:,} messages",
            200,
            at_least=False,
            unit="MB",
            seen=most.median if most else None,
            judged=judged,
        )


def _told(value: float) -> str:
    return f"{value:.2f}" if value < 10 else number(value)
