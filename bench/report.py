"""Medians over rounds, against targets, as a table and as JSON."""

import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench.rounds import Case, Round

ROLES = ("api", "worker", "mongod", "valkey", "nginx", "wrk")


@dataclass(frozen=True)
class Figure:
    """One measured quantity over all rounds; a target is a least value, or a most one."""

    case: str
    what: str
    values: tuple[float, ...]
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.values)

    @property
    def ratio(self) -> float | None:
        """How much of the target is reached: 1 and more is good. None without a target."""
        if self.at_least is not None:
            return self.median / self.at_least
        if self.at_most is not None:
            return self.at_most / self.median
        return None

    @property
    def spread(self) -> float:
        """Largest less smallest, as a share of the median."""
        return (max(self.values) - min(self.values)) / self.median if self.median else 0.0

    def row(self) -> tuple[str, ...]:
        """For the table."""
        target = ""
        if self.at_least is not None:
            target = f">= {self.at_least:,.0f}"
        elif self.at_most is not None:
            target = f"< {self.at_most:,.0f}"
        ratio = self.ratio
        return (
            self.case,
            f"{self.what} ({self.unit})" if self.unit else self.what,
            _number(self.median),
            target,
            "" if ratio is None else f"{ratio:.2f}",
            f"{self.spread:.0%}",
            "" if ratio is None else ("ok" if ratio >= 1 else f"MISSED by {1 - ratio:.0%}"),
        )


HEADINGS = ("case", "figure", "median", "target", "ratio", "spread", "")


def figures(case: Case, rounds: Sequence[Round]) -> list[Figure]:
    """All of one case."""

    def over(what: str, unit: str, value: Callable[[Round], float], **target: float) -> Figure:
        return Figure(case.name, what, tuple(value(one) for one in rounds), unit, **target)

    found = [
        over("webhooks acknowledged", "1/s", lambda r: r.loaded.per_second, at_least=1300),
        over("time to answer, median", "ms", lambda r: r.loaded.p50_ms),
        over("time to answer, 99th", "ms", lambda r: r.loaded.p99_ms),
    ]
    if case.replies:
        found.append(
            over("auto-replies end to end", "1/s", lambda r: r.replies_per_second, at_least=900)
        )
    found += [
        over(f"{role}: most memory", "MB", partial(_memory, role), at_most=200)
        for role in ("api", "worker")
    ]
    found += [over(f"{role}: CPU per message", "µs", partial(_cpu, role)) for role in ROLES]
    found.append(over("all together: CPU per message", "µs", lambda r: sum(map(r.cpu_us, ROLES))))
    found.append(over("others on the machine", "%", lambda r: 100 * r.spent.elsewhere_share))
    found.append(over("load average before", "", lambda r: r.load_average))
    return found


def _memory(role: str, one: Round) -> float:
    return one.memory_mb[role]


def _cpu(role: str, one: Round) -> float:
    return one.cpu_us(role)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first two to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    last = len(widths) - 1
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column in (0, 1, last) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def render(found: Sequence[Figure]) -> str:
    """The table that a person reads."""
    return table([HEADINGS, *(figure.row() for figure in found)])


def write_json(found: Sequence[Figure], rounds: Sequence[Round], directory: Path) -> Path:
    """Everything measured, under a name with the time in it."""
    now = datetime.now(UTC)
    body: dict[str, Any] = {
        "at": now.isoformat(timespec="seconds"),
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "figures": [asdict(f) | {"median": f.median, "ratio": f.ratio} for f in found],
        "rounds": [asdict(one) for one in rounds],
    }
    file = directory / f"report-{now:%Y%m%d-%H%M%S}.json"
    file.write_text(json.dumps(body, indent=2, default=str) + "\n")
    return file


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
