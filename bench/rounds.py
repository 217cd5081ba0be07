"""One round of a case: load, wait for the last reply, and account for all of it."""

import os
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from bench import cpu, load
from bench.cpu import Spent
from bench.ledger import Ledger, Totals
from bench.load import Loaded
from bench.processes import wait_until
from bench.programs import BenchError
from bench.system import System

DRAIN_SECONDS = 180.0
QUIET_SECONDS = 1.0


@dataclass(frozen=True)
class Case:
    """So many tenants. With `replies` the round lasts until the last reply is sent.

    One number sends no more than its own 80 a second, so with one tenant replies are left waiting.
    """

    name: str
    tenants: int
    replies: bool


CASES = (
    Case("1 tenant", tenants=1, replies=False),
    Case("100 tenants", tenants=100, replies=True),
)


@dataclass(frozen=True)
class Round:
    """What one round measured. `spent` covers the load, and with replies also the time after."""

    case: Case
    loaded: Loaded
    totals: Totals
    spent: Spent
    memory_mb: dict[str, float]
    load_average: float

    @property
    def replies_per_second(self) -> float:
        """End to end: every reply over the time from the first POST to the last acceptance."""
        return self.totals.sent / self.totals.seconds

    def cpu_us(self, role: str) -> float:
        """CPU microseconds per message that came in (of the worker too, with one tenant)."""
        return self.spent.by_role[role] * 1e6 / self.totals.stored


def run(system: System, case: Case, webhooks: Path, *, seconds: float) -> Round:
    """One round on empty stores; raises `BenchError` when the store tells another story."""
    load_average = os.getloadavg()[0]
    system.start(tenants=case.tenants)
    try:
        posted_before = system.graph.requests()
        before = cpu.read(system.pids)
        loaded = load.send(webhooks, url=system.webhook_url, seconds=seconds)
        if case.replies:
            _wait_for_replies(system.ledger)
        spent = cpu.between(before, cpu.read(system.pids), wrk=loaded.cpu_seconds)
        system.check()
        found = Round(
            case=case,
            loaded=loaded,
            totals=system.ledger.totals(),
            spent=spent,
            memory_mb={r: cpu.peak_memory_mb(system.pids[r]) for r in ("api", "worker")},
            load_average=load_average,
        )
        _check(found, posted=system.graph.requests() - posted_before - 1)
    finally:
        system.stop()
    return found


def _wait_for_replies(ledger: Ledger) -> None:
    """Return when nothing waits, and nothing came for a second.

    Webhooks under way when wrk stopped are stored after that. The wait itself is not measured:
    times are those of the messages.
    """
    last_change = (ledger.size(), monotonic())

    def at_rest() -> bool:
        nonlocal last_change
        size = ledger.size()
        if size != last_change[0] or not ledger.all_settled():
            last_change = (size, monotonic())
        return monotonic() - last_change[1] > QUIET_SECONDS

    wait_until(at_rest, what="replies still wait", seconds=DRAIN_SECONDS)


def _check(found: Round, *, posted: int) -> None:
    """Every 200 is in the store; every message has its reply; each was POSTed once."""
    totals, loaded = found.totals, found.loaded
    if loaded.refused:
        raise BenchError(f"{loaded.refused} webhooks were not answered 200")
    # Those under way when wrk stopped are stored, and nobody heard of it.
    if not loaded.taken <= totals.stored <= loaded.taken + load.CONNECTIONS:
        raise BenchError(f"{loaded.taken} webhooks were answered 200, {totals.stored} are stored")
    if found.case.replies and not totals.stored == totals.sent == posted:
        raise BenchError(
            f"{totals.stored} messages, {totals.sent} replies sent, {posted} POSTs to Graph"
        )
