"""Profiles of api and worker under load: which package, which function, how many µs a message.

py-spy samples the stacks from outside; its pauses are not counted as CPU time of the profiled.
A share of the samples times the CPU time that the kernel counted is a function's time.
"""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import cpu, load
from bench.ledger import Totals
from bench.programs import find_profiler
from bench.report import table
from bench.system import System

SAMPLES_PER_SECOND = 250
TENANTS = 100
SHOWN = 25
SITE_PACKAGES = "site-packages/"

Frame = tuple[str, str]
"""A file and a function in it."""


@dataclass(frozen=True)
class Profile:
    """Of one process; counters are samples by frame or package."""

    role: str
    file: Path
    us_per_message: float
    samples: int
    own: Counter[Frame]
    cumulative: Counter[Frame]
    packages: Counter[str]

    def us(self, samples: int) -> float:
        """Microseconds per message that so many samples stand for."""
        return self.us_per_message * samples / max(1, self.samples)


def run(system: System, scratch: Path, out: Path, *, seconds: float) -> list[Profile]:
    """Profile both processes while wrk sends."""
    webhooks = scratch / "webhooks.txt"
    load.prepare(webhooks, tenants=TENANTS, seconds=seconds + 3, app_secret=system.app_secret)
    system.start(tenants=TENANTS)
    pids = {role: system.pids[role] for role in ("api", "worker")}
    files = {role: out / f"profile-{role}.speedscope.json" for role in pids}
    before = cpu.read(pids)
    recorders = [_record(pids[role], files[role], seconds) for role in pids]
    load.send(webhooks, url=system.webhook_url, seconds=seconds + 1)
    totals = system.ledger.totals()
    spent = cpu.between(before, cpu.read(pids))
    for recorder in recorders:
        recorder.wait(timeout=60)
    system.stop()
    return [
        _read(role, files[role], spent.by_role[role] * 1e6 / _messages(role, totals))
        for role in pids
    ]


def _messages(role: str, totals: Totals) -> int:
    return max(1, totals.stored if role == "api" else totals.sent)


def _record(pid: int, file: Path, seconds: float) -> "subprocess.Popen[bytes]":
    argv = [find_profiler(), "record", "--pid", str(pid), "--output", str(file)]
    argv += ["--format", "speedscope", "--rate", str(SAMPLES_PER_SECOND)]
    argv += ["--duration", f"{seconds:.0f}"]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _read(role: str, file: Path, us_per_message: float) -> Profile:
    """Count a speedscope file: stacks of frame indices, outermost first."""
    told = json.loads(file.read_text())
    frames = [_frame(frame) for frame in told["shared"]["frames"]]
    own: Counter[Frame] = Counter()
    cumulative: Counter[Frame] = Counter()
    packages: Counter[str] = Counter()
    stacks = [stack for thread in told["profiles"] for stack in thread["samples"] if stack]
    for stack in stacks:
        names = [frames[index] for index in stack]
        own[names[-1]] += 1
        packages[package_of(names[-1][0])] += 1
        cumulative.update(set(names))
    return Profile(role, file, us_per_message, len(stacks), own, cumulative, packages)


def _in_product(file: str) -> str:
    """`manyline/…`, wherever the product is installed; empty for anything else."""
    before, here, after = file.rpartition("/manyline/")
    return "manyline/" + after if here and before else ""


def _frame(frame: dict[str, str]) -> Frame:
    file = frame.get("file") or "?"
    name = file.partition(SITE_PACKAGES)[2] or _in_product(file) or file
    name = re.sub(r".*/lib/python3[.][0-9]+/", "python/", name)
    return name, frame["name"]


def package_of(file: str) -> str:
    """Whose code a file is: one of our packages with its part, a library, or Python itself."""
    parts = file.split("/")
    if parts[0] == "manyline":
        return ".".join(parts[:2]).removesuffix(".py")
    if parts[0].startswith("<"):
        return "python"
    return parts[0].removesuffix(".py")


def render(taken: Profile) -> str:
    """Three tables: by package, by function itself, by function with all that it calls."""
    return "\n\n".join(
        [
            f"{taken.role}: {taken.us_per_message:,.0f} µs of CPU per message,"
            f" {taken.samples:,} samples",
            table([("package", "", "µs itself"), *_packages(taken)]),
            table([("function", "", "µs itself"), *_functions(taken, taken.own)]),
            table([("function", "", "µs with callees"), *_functions(taken, _inner(taken))]),
        ]
    )


def _inner(taken: Profile) -> Counter[Frame]:
    """Cumulative counts without what every stack goes through: the program's entry."""
    most = 0.97 * taken.samples
    return Counter({frame: n for frame, n in taken.cumulative.items() if n < most})


def _packages(taken: Profile) -> list[tuple[str, str, str]]:
    most = taken.packages.most_common(SHOWN)
    return [(name, "", f"{taken.us(count):,.1f}") for name, count in most]


def _functions(taken: Profile, counts: Counter[Frame]) -> Sequence[tuple[str, str, str]]:
    most = counts.most_common(SHOWN)
    return [(name, file, f"{taken.us(count):,.1f}") for (file, name), count in most]
