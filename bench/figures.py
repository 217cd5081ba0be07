"""Figures: what was measured of whom, at what work, in every round; medians and spread."""

import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Seen = dict[tuple[str, str], float]
"""What one round saw: by work and name of the figure."""


class Key(NamedTuple):
    """Which figure: the case it belongs to, who was measured, at what work, and what it says."""

    case: str
    who: str
    work: str
    what: str


@dataclass(frozen=True)
class Figure:
    """One quantity over all rounds."""

    key: Key
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Largest less smallest, as a share of the median."""
        return (max(self.values) - min(self.values)) / self.median if self.median else 0.0

    def told(self) -> str:
        """`median (smallest - largest)`, or the value alone where there is one."""
        if len(set(self.values)) == 1:
            return number(self.median)
        return f"{number(self.median)} ({number(min(self.values))}–{number(max(self.values))})"


@dataclass
class Figures:
    """All figures of a run, as they come in."""

    _values: dict[Key, list[float]] = field(default_factory=dict)

    def add(self, case: str, who: str, seen: Mapping[tuple[str, str], float]) -> None:
        """One more round."""
        for (work, what), value in seen.items():
            self._values.setdefault(Key(case, who, work, what), []).append(value)

    def __iter__(self) -> Iterator[Figure]:
        for key, values in self._values.items():
            yield Figure(key, tuple(values))

    def get(self, case: str, who: str, work: str, what: str) -> Figure | None:
        """One figure; None where it was not measured."""
        key = Key(case, who, work, what)
        return Figure(key, tuple(self._values[key])) if key in self._values else None

    def ratio(self, over: Key, under: Key) -> tuple[float, ...]:
        """One figure over another, round by round: what both rounds suffered cancels out."""
        ours, theirs = self._values.get(over, []), self._values.get(under, [])
        return tuple(mine / other for mine, other in zip(ours, theirs, strict=False) if other)

    def to_json(self) -> list[dict[str, Any]]:
        """One object per figure."""
        return [
            {**one.key._asdict(), "median": one.median, "values": list(one.values)} for one in self
        ]

    @classmethod
    def from_json(cls, told: Iterable[Mapping[str, Any]]) -> "Figures":
        """What `to_json` made."""
        keys = Key._fields
        return cls({Key(*(one[name] for name in keys)): list(one["values"]) for one in told})


def number(value: float) -> str:
    """With as many digits as mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"
