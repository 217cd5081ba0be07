"""The fault rules in force, and which of them strikes what.

Of the call faults the first rule that matches strikes, and no other is used up. Of the webhook
faults at most one of each kind strikes a message. A request that Meta would refuse anyway (bad
token, bad body) is refused and uses up no rule.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, cast

import msgspec

from graphsim.fault_rules import (
    WEBHOOK_FAULTS,
    CallFault,
    DropWebhook,
    Duplicate,
    EarlyStatus,
    FailStatus,
    Match,
    Rule,
    Shuffle,
    StatusKind,
    WebhookKind,
)
from graphsim.identifiers import digits


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rule is held against; an inbound message has no token, opaque id or path."""

    phone_number_id: str
    customer: str = ""
    token: str | None = None
    opaque: str | None = None
    path: str | None = None
    is_message: bool = True


@dataclass(slots=True)
class _Armed:
    rule: Rule
    struck: int = 0
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.rule.seed)  # noqa: S311 - must be repeatable

    def strikes(self, subject: Subject) -> bool:
        rule = self.rule
        if rule.times is not None and self.struck >= rule.times:
            return False
        if not _matches(rule.match, subject):
            return False
        if rule.probability < 1.0 and self.dice.random() >= rule.probability:
            return False
        self.struck += 1
        return True


class WebhookFaults:
    """What is to go wrong with the webhooks of one message; usually nothing."""

    __slots__ = ("_dice", "_drop", "_duplicate", "_shuffle", "early_status", "fail_status")

    def __init__(self, armed: Sequence[_Armed] = ()) -> None:
        self._duplicate: Duplicate | None = None
        self._drop: DropWebhook | None = None
        self._shuffle = False
        self._dice: random.Random | None = None
        self.early_status: EarlyStatus | None = None
        self.fail_status: FailStatus | None = None
        for one in armed:
            self._take(one)

    def copies(self, webhook: WebhookKind) -> int:
        """How many times `webhook` is delivered at once."""
        duplicate = self._duplicate
        return duplicate.copies if duplicate and webhook in duplicate.webhooks else 1

    def drops(self, webhook: WebhookKind) -> bool:
        """Whether `webhook` never leaves."""
        return self._drop is not None and webhook in self._drop.webhooks

    def order(self, statuses: list[StatusKind]) -> list[StatusKind]:
        """The statuses in the order in which they shall arrive."""
        if not self._shuffle or self._dice is None or len(set(statuses)) < 2:
            return statuses
        mixed = statuses[:]
        while mixed == statuses:
            self._dice.shuffle(mixed)
        return mixed

    def _take(self, armed: _Armed) -> None:
        fault = armed.rule.fault
        if isinstance(fault, Duplicate):
            self._duplicate = fault
        elif isinstance(fault, DropWebhook):
            self._drop = fault
        elif isinstance(fault, EarlyStatus):
            self.early_status = fault
        elif isinstance(fault, FailStatus):
            self.fail_status = fault
        elif isinstance(fault, Shuffle):
            self._shuffle, self._dice = True, armed.dice


_NOWEBHOOK_FAULTS = WebhookFaults()


class Faults:
    """The rules in force, in the order in which they were given."""

    def __init__(self) -> None:
        self._unread: list[_Armed] = []
        self._call: list[_Armed] = []
        self._webhook: list[_Armed] = []
        self._all: list[_Armed] = []

    def add(self, *rules: Rule) -> None:
        """Append `rules` to those in force."""
        for rule in rules:
            armed = _Armed(rule)
            self._all.append(armed)
            if isinstance(rule.fault, WEBHOOK_FAULTS):
                self._webhook.append(armed)
            else:
                (self._unread if rule.strikes_unread else self._call).append(armed)

    def replace(self, *rules: Rule) -> None:
        """Put `rules` in the place of those in force."""
        self.clear()
        self.add(*rules)

    def clear(self) -> None:
        """From now on nothing goes wrong."""
        self._unread, self._call, self._webhook, self._all = [], [], [], []

    def listing(self) -> list[dict[str, Any]]:
        """Each rule as it was given, and how often it `struck`."""
        return [{**msgspec.to_builtins(one.rule), "struck": one.struck} for one in self._all]

    @property
    def any_before_read(self) -> bool:
        """Whether `before_read` is worth asking."""
        return bool(self._unread)

    def before_read(self, subject: Subject) -> bool:
        """Whether a request of which only the head is known is to be reset; uses up the rule."""
        return any(armed.strikes(subject) for armed in self._unread)

    def for_call(self, subject: Subject) -> CallFault | None:
        """Use up and return the first call fault that strikes `subject`."""
        for armed in self._call:
            if armed.strikes(subject):
                return cast(CallFault, armed.rule.fault)
        return None

    def for_webhooks(self, subject: Subject) -> WebhookFaults:
        """Use up and return the webhook faults that strike `subject`, one of each kind."""
        if not self._webhook:
            return _NOWEBHOOK_FAULTS
        taken: dict[type, _Armed] = {}
        for armed in self._webhook:
            kind = type(armed.rule.fault)
            if kind not in taken and armed.strikes(subject):
                taken[kind] = armed
        return WebhookFaults(list(taken.values()))


def _matches(match: Match, subject: Subject) -> bool:
    if match.path is None:
        if not subject.is_message:
            return False
    elif subject.path is None or not fnmatchcase(subject.path, match.path):
        return False
    return (
        (match.phone_number_id is None or match.phone_number_id == subject.phone_number_id)
        and (match.token is None or match.token == subject.token)
        and (match.opaque is None or match.opaque == subject.opaque)
        and (match.to is None or subject.customer in {match.to, digits(match.to)})
    )
