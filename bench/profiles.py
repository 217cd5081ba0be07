"""A profile: stacks by how often they were seen, read from a speedscope file."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

SITE_PACKAGES = "site-packages/"
PRODUCT = "manyline/"
NOT_OURS = "(web server, event loop)"
ENTRIES = {f"{PRODUCT}entry/{file}.py" for file in ("api/server", "worker/process", "cli/main")}
"""Where a process begins: whatever has no other frame of ours is the loop's or the server's."""

Name = TypeVar("Name")


class Frame(NamedTuple):
    """A function in a file; files of the product and of packages are named from those on."""

    file: str
    name: str


Stack = tuple[Frame, ...]
"""Outermost first."""

# A thread of a pool that waits for work; py-spy takes it for one that runs.
IDLE = Frame("python/concurrent/futures/thread.py", "_worker")


@dataclass(frozen=True)
class Profile:
    """Of one process."""

    role: str
    file: Path
    us_per_message: float
    stacks: Counter[Stack]

    @property
    def samples(self) -> int:
        """How many were taken."""
        return sum(self.stacks.values())

    def us(self, samples: int) -> float:
        """Microseconds per message that so many samples stand for."""
        return self.us_per_message * samples / max(1, self.samples)

    def by_part(self) -> Counter[str]:
        """Samples by the part of ours that was at work, itself or through a library it called."""
        return _sums((part_of(stack), seen) for stack, seen in self.stacks.items())

    def by_package(self) -> Counter[str]:
        """Samples by whose code ran."""
        return _sums((package_of(stack[-1].file), seen) for stack, seen in self.stacks.items())

    def by_function(self) -> Counter[Frame]:
        """Samples by the function that ran."""
        return _sums((stack[-1], seen) for stack, seen in self.stacks.items())

    def with_callees(self) -> Counter[Frame]:
        """Samples by every function that ran, or that called one that ran."""
        return _sums((frame, seen) for stack, seen in self.stacks.items() for frame in set(stack))


def read(role: str, file: Path, us_per_message: float) -> Profile:
    """Count a speedscope file: stacks of frame indices, outermost first."""
    told = json.loads(file.read_text(encoding="utf-8"))
    frames = [_frame(frame) for frame in told["shared"]["frames"]]
    stacks: Counter[Stack] = Counter()
    for thread in told["profiles"]:
        for sample in thread["samples"]:
            stack = tuple(frames[index] for index in sample)
            if stack and stack[-1] != IDLE:
                stacks[stack] += 1
    return Profile(role, file, us_per_message, stacks)


def part_of(stack: Stack) -> str:
    """The innermost module of ours: `manyline.inbound.trust`. Below it only libraries run."""
    for frame in reversed(stack):
        is_ours = frame.file.startswith(PRODUCT) and frame.file.count("/") > 1
        if is_ours and frame.file not in ENTRIES:
            return frame.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return NOT_OURS


def package_of(file: str) -> str:
    """Whose code a file is: one of our packages, a library, or Python itself."""
    parts = file.split("/")
    if file.startswith(PRODUCT):
        return ".".join(parts[:2]).removesuffix(".py")
    if parts[0].startswith("<"):
        return "python"
    return parts[0].removesuffix(".py")


def _sums(seen: Iterable[tuple[Name, int]]) -> Counter[Name]:
    counts: Counter[Name] = Counter()
    for name, samples in seen:
        counts[name] += samples
    return counts


def _frame(frame: Mapping[str, str]) -> Frame:
    file = frame.get("file") or "?"
    name = file.partition(SITE_PACKAGES)[2] or _in_product(file) or file
    name = re.sub(r".*/lib/python3[.][0-9]+/", "python/", name)
    return Frame(name, frame["name"])


def _in_product(file: str) -> str:
    """`manyline/...`, wherever the product is installed; empty for anything else."""
    before, here, after = file.rpartition(f"/{PRODUCT}")
    return PRODUCT + after if here and before else ""
