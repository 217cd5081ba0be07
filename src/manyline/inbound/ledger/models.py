"""What the ledger keeps of a webhook, and what is asked of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from bson import ObjectId

from manyline.base.errors import ManylineError
from manyline.inbound.models import Became, Committed
from manyline.inbound.voices import Voice

NOBODYS = "-"
LETTERS = {
    Became.STORED: "s",
    Became.DUPLICATE: "d",
    Became.RAISED: "r",
    Became.PARKED: "p",
    Became.NOTED: "n",
    Became.QUARANTINED: "q",
}
"""How a ledger record writes what became of an item: one letter each."""
MEANT = {letter: became for became, letter in LETTERS.items()}


class LedgerOffError(ManylineError):
    """No webhook is kept here, so there is nothing to apply again."""

    code = "ledger_off"


class Arrival(NamedTuple):
    """A webhook that was taken. A tuple, since one is made for every webhook."""

    at: datetime
    body: bytes
    outcomes: str
    """A letter for each item, in the order in which `parse` gives them; `-` for nobody's."""
    voice: Voice


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which webhooks: those that were kept from `since` on and before `until`."""

    since: datetime
    until: datetime
    tenant_id: ObjectId | None = None


class Position(NamedTuple):
    """Where a record stands among all: they are ordered by both."""

    kept_at: datetime
    id: ObjectId


class LedgerRecord(NamedTuple):
    """The webhooks of one write, packed (see `packing`); None where none of them is wanted."""

    position: Position
    packed: bytes | None


def letters(committed: Sequence[Committed], places: Sequence[int], items: int) -> str:
    """The outcomes of a webhook's items; `places` says whose outcome each is."""
    if len(committed) == items == 1:
        return LETTERS[committed[0].became]
    found = [NOBODYS] * items
    for outcome, place in zip(committed, places, strict=True):
        found[place] = LETTERS[outcome.became]
    return "".join(found)
