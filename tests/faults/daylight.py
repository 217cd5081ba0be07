"""The traffic of one day, drawn from a seed: who does what when. Pure: nothing is sent here.

A day has a quiet night, a peak before noon and one in the evening, with less between them. A
customer sits down, writes a few messages, and is gone; some sit down for the first time, most have
written before. After some of the messages the tenant's own software sends something.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

HOURS = 24
STEPS_OF_HOUR = 12
NIGHT = 0.06
"""Of the traffic of a peak."""
NOON = 0.5
SITTING = (1, 1, 2, 2, 3, 3, 4, 6, 8)
"""Messages of one sitting: 3.3 on average."""
PAUSE_SECONDS = 6.0
"""From one message of a sitting to the next, on average; as played."""
NEWCOMERS = 0.2
"""Of all sittings: of somebody who never wrote."""
REGULARS = 50
"""Of each tenant: returning from the first hour on, besides those who come that day."""
SENT_AFTER = 1 / 6
"""Of all messages: the tenant's software sends something after these."""
REPEATED_BY_META, AT_ONCE_BY_META, REPEATED_BY_TENANT = 0.04, 0.02, 0.05
"""A webhook again after it was taken, the same twice at one time, a send with its key again."""

Copies = Literal["one", "again", "at once"]

_FILE = {
    "id": "1003383421387256",
    "sha256": "SfInY0gGKTsJlUWbwxC1k+FAD0FZHvzwfpvO0zX0GUI=",
    "url": "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1003383421387256",
}
KINDS: dict[str, tuple[float, Any]] = {
    "text": (78.0, {"body": "hi, is my order on its way?"}),
    "image": (8.0, {**_FILE, "mime_type": "image/jpeg", "caption": "like this one"}),
    "audio": (4.0, {**_FILE, "mime_type": "audio/ogg; codecs=opus", "voice": True}),
    "interactive": (4.0, {"type": "button_reply", "button_reply": {"id": "yes", "title": "Yes"}}),
    "document": (1.5, {**_FILE, "mime_type": "application/pdf", "filename": "bill.pdf"}),
    "location": (1.5, {"latitude": 37.4847, "longitude": -122.1473, "name": "Home"}),
    "reaction": (3.0, {"emoji": "\N{THUMBS UP SIGN}"}),
}
"""Of each hundred messages, and the member of that name; a reaction is not answered."""


@dataclass(frozen=True)
class Act:
    """Something that one customer, or the tenant's software for them, does."""

    at: float
    """Seconds from the day's beginning, as played."""
    tenant: int
    customer: int
    """Counted from 0, over all tenants."""
    kind: str
    """Of `KINDS`; empty when it is the tenant's software that sends."""
    copies: Copies
    """How the same webhook, or the same send, comes."""


class Curve:
    """How busy each moment of a day is; its peaks lie where the seed puts them."""

    def __init__(self, dice: random.Random) -> None:
        self.peaks = (dice.gauss(10.0, 0.5), dice.gauss(19.5, 0.5))
        """Hours."""
        steps = HOURS * STEPS_OF_HOUR
        self._until = list(accumulate(self.of((s + 0.5) / STEPS_OF_HOUR) for s in range(steps)))

    def of(self, hour: float) -> float:
        """About 1 at a peak."""
        morning, evening = (math.exp(-(((hour - peak) / 1.8) ** 2)) for peak in self.peaks)
        noon = NOON * math.exp(-(((hour - sum(self.peaks) / 2) / 4.5) ** 2))
        return NIGHT + (1 - NIGHT) * max(morning, evening, noon)

    def moments(self, dice: random.Random, count: int) -> list[float]:
        """So many of the day, in order, each as a share of it."""
        steps = range(len(self._until))
        drawn = dice.choices(steps, cum_weights=self._until, k=count)
        return sorted((step + dice.random()) / len(self._until) for step in drawn)


def day(
    dice: random.Random, *, tenants: int, messages: int, seconds: float
) -> tuple[Curve, list[Act]]:
    """A day of about so many customers' messages within so many seconds, in order.

    All of one customer's acts are a customer's of one tenant.
    """
    curve = Curve(dice)
    sittings = round(messages * len(SITTING) / sum(SITTING))
    acts: list[Act] = []
    known = _regulars(tenants)
    newest = tenants * REGULARS
    sizes = [1 / (place + 1) ** 0.6 for place in range(tenants)]
    for moment in curve.moments(dice, sittings):
        [tenant] = dice.choices(range(tenants), sizes)
        if dice.random() < NEWCOMERS:
            known[tenant].append(newest)
            newest += 1
            customer = newest - 1
        else:
            customer = dice.choice(known[tenant])
        acts += _sitting(dice, moment * seconds, tenant, customer)
    # Who sits down at midnight has said the last of it when the day is over.
    acts = [act for act in acts if act.at <= seconds]
    acts.sort(key=lambda act: act.at)
    return curve, acts


def busiest(acts: Sequence[Act], *, within: float) -> float:
    """Acts a second in the busiest stretch of so many seconds."""
    counts: dict[int, int] = {}
    for act in acts:
        counts[int(act.at // within)] = counts.get(int(act.at // within), 0) + 1
    return max(counts.values()) / within


def content(kind: str, of: str | None) -> dict[str, Any]:
    """The members of a customer's message that tell what it is; `of` is what a reaction is to."""
    inside = KINDS[kind][1]
    if kind == "reaction":
        inside = {**inside, "message_id": of}
    return {"type": kind, kind: inside}


def _regulars(tenants: int) -> list[list[int]]:
    return [list(range(place * REGULARS, (place + 1) * REGULARS)) for place in range(tenants)]


def _sitting(dice: random.Random, at: float, tenant: int, customer: int) -> Iterator[Act]:
    weights = [weight for weight, _ in KINDS.values()]
    for _ in range(dice.choice(SITTING)):
        [kind] = dice.choices(list(KINDS), weights)
        yield Act(at, tenant, customer, kind, _copies(dice))
        at += dice.expovariate(1 / PAUSE_SECONDS)
        if dice.random() < SENT_AFTER:
            again = dice.random() < REPEATED_BY_TENANT
            yield Act(at, tenant, customer, "", "again" if again else "one")
            at += dice.expovariate(1 / PAUSE_SECONDS)


def _copies(dice: random.Random) -> Copies:
    drawn = dice.random()
    if drawn < REPEATED_BY_META:
        return "again"
    return "at once" if drawn < REPEATED_BY_META + AT_ONCE_BY_META else "one"
