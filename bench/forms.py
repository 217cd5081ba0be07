"""The two forms of the benchmark: how often, how long, and what of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from bench.round import Case

ONE = Case("1 tenant", tenants=1, replies=False)
HUNDRED = Case("100 tenants", tenants=100, all_work=True)
TEN_THOUSAND = Case("10,000 tenants", tenants=10_000)


@dataclass(frozen=True)
class Form:
    """How much is measured."""

    name: str
    rounds: int
    all_work_rounds: int
    """In the others there are only messages."""
    seconds: float
    """Of load, for each kind of work in a round."""
    cases: tuple[Case, ...]
    twice: bool
    """Whether ours is also measured with two api and two worker processes."""
    fill_messages: int
    """How full "full" is; 0 leaves growth out."""
    memory_messages: int
    """After how many messages memory is looked at; 0 leaves it out."""
    judges_all: bool
    """Whether every target is judged, or the ratios of rates alone."""
    asks: float
    """The share of those ratios that is asked for."""

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """What `dataclasses.asdict` made."""
        cases = tuple(Case(**case) for case in told["cases"])
        return cls(**{**told, "cases": cases})


LONG = Form(
    name="long",
    rounds=5,
    all_work_rounds=5,
    seconds=10.0,
    cases=(ONE, HUNDRED, TEN_THOUSAND),
    twice=True,
    fill_messages=2_000_000,
    memory_messages=500_000,
    judges_all=True,
    asks=1.0,
)
SHORT = Form(
    name="short",
    rounds=3,
    all_work_rounds=1,
    seconds=5.0,
    cases=(HUNDRED,),
    twice=False,
    fill_messages=0,
    memory_messages=0,
    # A few short rounds on a shared machine tell ratios roughly, and nothing else.
    judges_all=False,
    asks=0.6,
)
