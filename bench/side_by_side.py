"""Everybody in turns: seeds, ours, the bare limit, round after round on one stage.

What the machine does meanwhile (others on it, its own temper) falls on all of them alike, so their
ratios hold where single figures do not.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.bare.limit import BareLimit
from bench.contestants import Contestant, Peer
from bench.figures import Figures, Seen
from bench.forms import Form
from bench.names import ACKNOWLEDGED, BARE, END_TO_END, FLUSH, OURS_TWICE
from bench.ours import Ours
from bench.round import Case, Round
from bench.stage import Stage

Say = Callable[[str], None]


class SideBySide:
    """Runs the rounds of a form's cases."""

    def __init__(self, stage: Stage, form: Form, *, installed: Path, say: Say) -> None:
        """`installed`: where the seeds' packages are kept from one run to the next."""
        self._stage = stage
        self._form = form
        self._say = say
        app_secret = secrets.token_hex(16)
        self._seeds = Peer(stage, app_secret=app_secret, installed=installed)
        self._ours = Ours(stage, app_secret=app_secret)
        self._twice = Ours(
            stage, app_secret=app_secret, name=OURS_TWICE, database="twice", apis=2, workers=2
        )
        self._bare = BareLimit(stage)

    def run(self, figures: Figures) -> None:
        """Every case's rounds; raises `BenchError`."""
        for case in self._form.cases:
            for number in range(1, self._form.rounds + 1):
                self._say(f"{case.name}, round {number} of {self._form.rounds}")
                all_work = case.all_work and number <= self._form.all_work_rounds
                self._round(replace(case, all_work=all_work), number, figures)

    def _round(self, case: Case, number: int, figures: Figures) -> None:
        self._measure(self._seeds, case, number, figures)
        seen = self._measure(self._ours, case, number, figures)
        self._measure_bare(case, batch=round(seen["messages", FLUSH]), figures=figures)
        if self._form.twice and case.all_work:
            self._measure(self._twice, case, number, figures)

    def _measure(self, who: Contestant, case: Case, number: int, figures: Figures) -> Seen:
        who.start(tenants=case.tenants)
        try:
            one = Round(self._stage, who, case, number=number, seconds=self._form.seconds)
            seen = one.run()
        finally:
            who.stop()
        figures.add(case.name, who.name, seen)
        self._say(f"  {who.name}: {told(seen)}")
        return seen

    def _measure_bare(self, case: Case, *, batch: int, figures: Figures) -> None:
        """In flushes as large as ours were in this round."""
        seen = self._bare.run(tenants=case.tenants, seconds=self._form.seconds, batch=batch)
        figures.add(case.name, BARE, seen)
        self._say(f"  {BARE}: {told(seen)}")


def told(seen: Seen) -> str:
    """One line of a round."""
    rates = [
        f"{work} {seen[work, ACKNOWLEDGED]:,.0f}/s"
        + (f" ({seen[work, END_TO_END]:,.0f}/s end to end)" if (work, END_TO_END) in seen else "")
        for work in ("messages", "mixed", "sends", "half load")
        if (work, ACKNOWLEDGED) in seen
    ]
    return ", ".join(rates)
