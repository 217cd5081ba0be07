"""Changes of the product, made in the process that runs it: how `make faults` is shown to fail.

A deliberately broken build is one of these by its name in `BROKEN`; the rows named with it are
those that must notice. `every-worker-relays` is no defect but a fault: see the row `two-relays`.
"""

import asyncio
import copy
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """What is changed, in words; `make` changes it, for the rest of the process' life."""

    told: str
    make: Callable[[], None]
    noticed_by: Sequence[str] = ()


def attribute_of(path: str) -> tuple[Any, str]:
    """The owner and the name of `module:Class.method` or `module:function`."""
    module, _, names = path.partition(":")
    *owners, name = names.split(".")
    owner: Any = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    return owner, name


def _replace(path: str, changed: Callable[[Any], Any]) -> None:
    owner, name = attribute_of(path)
    setattr(owner, name, changed(getattr(owner, name)))


class _Unconditional:
    """A collection whose `update_many` looks at ids alone."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    async def update_many(self, query: Any, update: Any, **more: Any) -> Any:
        return await self._collection.update_many({"_id": query["_id"]}, update, **more)


def claim_without_condition() -> None:
    """Whoever claims wins, whatever state the message is in."""

    def changed(real: Any) -> Any:
        async def claim(self: Any, claims: Any, *, now: Any) -> Any:
            careless = copy.copy(self)
            careless._messages = _Unconditional(self._messages)
            return await real(careless, claims, now=now)

        return claim

    _replace("manyline.sending.repository:OutboxRepository.claim", changed)


SLOW_STORE_SECONDS = 0.05


def wake_before_insert() -> None:
    """The worker is told of messages that are not there yet, and of none that are.

    The insert comes a moment later, as from a store that is busy: else the two race each other.
    """
    earlier: list[Callable[[Sequence[tuple[str, str]]], None]] = []

    def wakes_early(real: Any) -> Any:
        def built(self: Any, *given: Any, **named: Any) -> None:
            real(self, *given, **named)
            earlier.append(self.wake)
            self.wake = lambda _messages: None

        return built

    def inserts_late(real: Any) -> Any:
        async def insert(self: Any, documents: Sequence[Any], **more: Any) -> Any:
            out = [one for one in documents if one["direction"] == "OUT"]
            for wake in earlier:
                wake([(str(one["_id"]), one["phoneNumberId"]) for one in out])
            await asyncio.sleep(SLOW_STORE_SECONDS)
            return await real(self, documents, **more)

        return insert

    _replace("manyline.sending.wakes:Wakes.__init__", wakes_early)
    _replace("manyline.messages.repository:MessageRepository.insert", inserts_late)


def status_without_rank() -> None:
    """The status that comes last is the message's, though it may be the older one."""

    def changed(real: Any) -> Any:
        def conditions(status: Any) -> Any:
            return {**real(status), "counts": True}

        return conditions

    _replace("manyline.inbound.raising.updates:_conditions", changed)


def flush_without_wait() -> None:
    """A flush is answered when the primary alone has it."""

    def changed(_real: Any) -> Any:
        async def caught_up(_database: Any) -> None:
            return None

        return caught_up

    _replace("manyline.infra.one_wait:caught_up", changed)


def every_worker_relays() -> None:
    """Nobody asks who holds the relay's role: all do."""

    def changed(_real: Any) -> Any:
        async def hold(_self: Any) -> bool:
            return True

        return hold

    _replace("manyline.infra.single_holder:SingleHolder.hold", changed)


CHANGES = {
    "claim-without-condition": Change(
        "claims look at ids alone",
        claim_without_condition,
        ["frozen-before-its-claim", "doubled-wakes"],
    ),
    "wake-before-insert": Change(
        "wake-ups come before the insert", wake_before_insert, ["nothing-wrong"]
    ),
    "status-without-rank": Change(
        "the last status to arrive wins", status_without_rank, ["statuses-shuffled"]
    ),
    "flush-without-wait": Change(
        "no flush waits for the majority", flush_without_wait, ["majority-lost"]
    ),
    "every-worker-relays": Change("no lease on the relay's role", every_worker_relays),
}
BROKEN = tuple(name for name, change in CHANGES.items() if change.noticed_by)
