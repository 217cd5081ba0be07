"""The result as a table: on the terminal, and in docs/faults.md between two markers."""

import platform
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from tests.faults.run import Played
from tests.faults.stage import ROOT

PAGE = ROOT / "docs" / "faults.md"
BEGIN = "<!-- made by `make faults ARGS=--write`: begin -->"
END = "<!-- made by `make faults ARGS=--write`: end -->"


def printed_table(played: Sequence[Played]) -> str:
    """Short: the lines before it have the figures."""
    lines = ["", f"{'row':32} {'':7} {'seconds':>7}"]
    for one in played:
        result = "skipped" if one.skipped else "ok" if one.held else "FAILED"
        lines.append(f"{one.row.name:32} {result:7} {one.seconds:7.1f}")
    held = sum(one.held for one in played)
    total = sum(one.seconds for one in played)
    lines.append(f"{held} of {len(played)} rows hold, {total:.0f} s in all")
    return "\n".join(lines) + "\n"


def write_page(played: Sequence[Played], *, seed: int) -> None:
    """Put the result between the page's markers; raises `ValueError` when they are gone."""
    page = PAGE.read_text(encoding="utf-8")
    found = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    if not found.search(page):
        raise ValueError(f"{PAGE} has lost its markers {BEGIN!r} and {END!r}")
    made = "\n".join([BEGIN, "", *_section(played, seed), "", END])
    PAGE.write_text(found.sub(lambda _: made, page), encoding="utf-8")


def _section(played: Sequence[Played], seed: int) -> Iterable[str]:
    held = sum(one.held for one in played)
    total = sum(one.seconds for one in played)
    yield f"{machine()}. Seed {seed}: {held} of {len(played)} rows hold; {total / 60:.0f} minutes."
    family = ""
    for one in played:
        if one.row.family != family:
            family = one.row.family
            yield from ("", f"### {family.capitalize()}", "")
            yield "| row | what was done | what must hold besides | what was seen |"
            yield "|---|---|---|---|"
        cells = (f"`{one.row.name}`", one.row.done, one.row.holds, _seen(one))
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _seen(one: Played) -> str:
    if one.skipped:
        return f"skipped: {one.skipped}"
    if one.failed:
        return f"**FAILED**: {one.failed.splitlines()[0].strip()}"
    return one.seen


def machine() -> str:
    """What the figures were seen on."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{_processor()}, {psutil.cpu_count()} cores shared by everything, {memory:.0f} GB,"
        f" Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
    )


def _processor() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1].strip() if found else platform.machine()
