"""CPU time of each process and of the machine, and how much memory a process took at its most."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import psutil


@dataclass(frozen=True)
class Reading:
    """CPU seconds so far, user and system, by role; `machine` is everything that ran at all."""

    at: float
    by_role: Mapping[str, float]
    machine: float


def read(pids: Mapping[str, int]) -> Reading:
    """All at this moment; the kernel counts in steps of 10 ms."""
    return Reading(at=monotonic(), by_role={r: _of(p) for r, p in pids.items()}, machine=_busy())


@dataclass(frozen=True)
class Spent:
    """What was spent between two readings, in CPU seconds."""

    seconds: float
    by_role: Mapping[str, float]
    elsewhere: float
    """By processes that are not part of the benchmark; the machine's total is counted by another
    clock than theirs, so this is off by a few percent and may be just below 0."""

    @property
    def elsewhere_share(self) -> float:
        """Of the whole machine, 0 to 1."""
        return self.elsewhere / (self.seconds * (os.cpu_count() or 1))


def between(before: Reading, after: Reading, **others: float) -> Spent:
    """The difference; `others` are roles whose whole life lay in between, in CPU seconds."""
    spent = {role: after.by_role[role] - before.by_role[role] for role in before.by_role} | others
    elsewhere = after.machine - before.machine - sum(spent.values())
    return Spent(seconds=after.at - before.at, by_role=spent, elsewhere=elsewhere)


def peak_memory_mb(pid: int) -> float:
    """The most memory it had resident at any time (VmHWM), in MB of 10^6 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def _of(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _busy() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)
