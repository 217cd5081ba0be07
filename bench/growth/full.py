"""Empty against full, in turns: the same load on both, with the same tenants."""

import secrets
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from time import monotonic
from typing import Any

from bench.figures import Figures
from bench.forms import TEN_THOUSAND, Form
from bench.growth.documents import Past
from bench.ours import Ours
from bench.round import Round
from bench.side_by_side import told
from bench.stage import Stage

GROWTH = "growth"
EMPTY, FULL = "empty", "full"
AT_ONCE = 2000

Say = Callable[[str], None]


class Growth:
    """Fills one database and measures in turns on it and on one that is emptied each time."""

    def __init__(self, stage: Stage, form: Form, *, say: Say) -> None:
        self._stage = stage
        self._form = form
        self._say = say
        secret = secrets.token_hex(16)
        self._empty = Ours(stage, app_secret=secret, name=EMPTY, database="growth_empty")
        self._full = Ours(stage, app_secret=secret, name=FULL, database="growth_full")

    def run(self, figures: Figures) -> None:
        """Raises `BenchError`."""
        self._fill()
        for number in range(1, self._form.rounds + 1):
            self._say(f"growth, round {number} of {self._form.rounds}")
            self._round(self._empty, number, figures)
            self._round(self._full, number, figures)

    def _fill(self) -> None:
        """The tenants and the indexes are the product's own doing; all else is put in."""
        self._full.start(tenants=TEN_THOUSAND.tenants)
        self._full.stop()
        started, store = monotonic(), self._full.store
        past = Past(store.tenants())
        for collection, documents in (
            ("customers", past.customers()),
            ("conversations", past.conversations()),
            ("messages", past.messages(self._form.fill_messages)),
        ):
            for some in _in_parts(documents):
                store.fill(collection, some)
        store.flush()
        self._say(
            f"growth: {store.size():,} messages of {TEN_THOUSAND.name} put in within"
            f" {monotonic() - started:.0f} s"
        )

    def _round(self, who: Ours, number: int, figures: Figures) -> None:
        who.start(tenants=TEN_THOUSAND.tenants, empty=who is self._empty)
        try:
            one = Round(self._stage, who, TEN_THOUSAND, number=number, seconds=self._form.seconds)
            seen = one.run()
        finally:
            who.stop()
        figures.add(GROWTH, who.name, seen)
        self._say(f"  {who.name}: {told(seen)}")


def _in_parts(documents: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    rest = iter(documents)
    while part := list(islice(rest, AT_ONCE)):
        yield part
