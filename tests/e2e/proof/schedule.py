"""Fault schedules drawn from a seed: what goes wrong, with whose messages, and when.

A schedule is a value: the same seed draws the same one. "When" is counted in messages that the
system has taken, not in seconds, so that it means the same on a slow machine.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.e2e.proof.talk import Turn

TENANTS = 5
CUSTOMERS = 4
"""Of each tenant."""
TURNS = 10
MESSAGES = TENANTS * CUSTOMERS * TURNS
ACTS = 5
KILLS = 4

PASSING = {2: 5, 131016: 5, 131000: 3}
"""Graph's errors that pass by themselves, and after how many of them a message fails."""
WAITING = (130429, 131056)
"""Graph's errors that only ask for patience."""
FINAL = (131026, 131051)
"""Graph's errors that no further attempt would change."""

Rule = Mapping[str, Any]
"""As for the simulator."""


@dataclass(frozen=True)
class Refusal:
    """Connections are refused for so long."""

    seconds: float


@dataclass(frozen=True)
class WorkerKill:
    """kill -9 of the worker at this place among three."""

    place: int


Event = Refusal | WorkerKill


@dataclass(frozen=True)
class Act:
    """Once `after` messages were taken, these rules hold besides the earlier ones; then events."""

    after: int
    rules: Sequence[Rule]
    events: Sequence[Event]


@dataclass(frozen=True)
class Schedule:
    """All that a seed decides."""

    seed: int
    scripts: Sequence[Sequence[Turn]]
    """Of each customer, tenant by tenant."""
    acts: Sequence[Act]
    unheard: frozenset[int]
    """Customers, by place, of whose messages no status ever comes."""
    undone: Mapping[int, int]
    """Customers, by place, whose messages Meta takes and then reports as failed: with this code."""

    def told(self) -> str:
        """For whoever reads a failure."""
        lines = [f"seed {self.seed}: no statuses for {sorted(self.unheard)}, failed statuses for"]
        lines[0] += f" {dict(self.undone)}"
        for act in self.acts:
            rules = "; ".join(_shown(rule) for rule in act.rules)
            lines.append(f"  after {act.after}: {rules}; {list(act.events)}")
        return "\n".join(lines)


def draw(seed: int, numbers: Sequence[str], customers: Sequence[str]) -> Schedule:
    """Draw for tenants' numbers, and customers in the order of `Load.talks`."""
    dice = random.Random(seed)
    places = list(range(len(customers)))
    silent = dice.sample(places, 3)
    unheard, undone = frozenset(silent[:2]), {silent[2]: dice.choice(FINAL)}
    events = _events(dice)
    acts = []
    for act in range(ACTS):
        rules = [_call_rule(dice, numbers, customers) for _ in range(dice.randint(4, 6))]
        if act == 0:
            lasting = _lasting_rules(dice, customers, unheard, undone)
            rules = [*lasting, *rules]
        acts.append(Act(act * MESSAGES // ACTS, rules, events[act]))
    return Schedule(seed, [_script(dice) for _ in customers], acts, unheard, undone)


def _script(dice: random.Random) -> list[Turn]:
    return dice.choices(("say", "send"), weights=(3, 2), k=TURNS)


def _events(dice: random.Random) -> list[list[Event]]:
    """Four kills and one or two refusals; the first act lets everything begin."""
    events: list[list[Event]] = [[] for _ in range(ACTS)]
    for kill in range(KILLS):
        # Not `up`'s own each time: five deaths within a minute, and it gives up.
        events[dice.randint(1, ACTS - 1)].append(WorkerKill(kill % 3))
    for _ in range(dice.randint(1, 2)):
        events[dice.randint(1, ACTS - 1)].append(Refusal(round(dice.uniform(0.2, 1.5), 1)))
    for act in events:
        dice.shuffle(act)
    return events


def _lasting_rules(
    dice: random.Random,
    customers: Sequence[str],
    unheard: frozenset[int],
    undone: Mapping[int, int],
) -> list[Rule]:
    """What is wrong with statuses, all the time, by customer."""
    rules: list[Rule] = [_to(customers[place], {"kind": "drop_webhook"}) for place in unheard]
    rules += [
        _to(customers[place], {"kind": "fail_status", "code": code})
        for place, code in undone.items()
    ]
    for kind in ("early_status", "shuffle", "duplicate"):
        seed = dice.randrange(2**32)
        rules.append({"fault": {"kind": kind}, "probability": 0.3, "seed": seed})
    return rules


def _call_rule(dice: random.Random, numbers: Sequence[str], customers: Sequence[str]) -> Rule:
    """One wish: of any number's messages, of one number's, or of one customer's."""
    fault, times = _call_fault(dice)
    matched: Rule = {}
    match dice.choices(("any", "number", "customer"), weights=(4, 2, 3))[0]:
        case "number":
            matched = {"phone_number_id": dice.choice(numbers)}
        case "customer" if fault.get("point") != "before_read":  # nobody has read yet to whom
            matched = {"to": dice.choice(customers)}
    return {"fault": fault, "match": matched, "times": times}


def _call_fault(dice: random.Random) -> tuple[dict[str, Any], int]:
    """A fault, and how many calls it strikes; deadlines are those of `test_faults`."""
    point = dice.choice(("before_accept", "after_accept"))
    quick_or_lost = dice.choice((0.5, 6.0))
    passing = {"kind": "error", "code": dice.choice(list(PASSING))}
    drawn: Sequence[tuple[dict[str, Any], int]] = (
        (passing, 6),
        (passing, 6),
        ({"kind": "error", "code": dice.choice(WAITING)}, 2),
        ({"kind": "error", "code": dice.choice(FINAL)}, 2),
        ({"kind": "http", "status": 502, "point": point}, 2),
        ({"kind": "reset", "point": dice.choice((point, "before_read"))}, 2),
        ({"kind": "hang", "point": point}, 2),
        ({"kind": "slow_drip", "seconds": quick_or_lost}, 2),
        ({"kind": "late", "seconds": quick_or_lost}, 3),
    )
    fault, most = dice.choice(drawn)
    return fault, dice.randint(1, most)


def _to(customer: str, fault: Rule) -> Rule:
    return {"fault": fault, "match": {"to": customer}}


def _shown(rule: Rule) -> str:
    fault = ",".join(str(value) for value in rule["fault"].values())
    whom = ",".join(str(value) for value in rule.get("match", {}).values())
    return f"{fault} of {whom or 'any'} x{rule.get('times', 'all')}"
