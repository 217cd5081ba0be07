"""What the quarantine holds, and what a retry made of it."""

from dataclasses import dataclass, field
from datetime import datetime

from manyline.base.errors import ManylineError
from manyline.inbound.models import Became, Quarantined


class NotInQuarantineError(ManylineError):
    """No item in the quarantine has this id."""

    code = "not_in_quarantine"


@dataclass(frozen=True, slots=True)
class Kept:
    """An item in the quarantine; `item.raw` is empty in a list."""

    id: bytes
    item: Quarantined = field(repr=False)
    size: int
    """Bytes of its JSON as it is kept."""
    cut: bool
    """It was too large, and only its beginning is kept."""
    created_at: datetime
    tried_at: datetime | None
    """When it was last tried again in vain."""


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of one item that was tried again."""

    id: bytes
    became: Became
    """`quarantined` when it stays; anything else, and it has left the quarantine."""
    reason: str | None
    """Why it stays."""
