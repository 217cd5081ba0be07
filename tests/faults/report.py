"""The result as a table: on the terminal, and in docs/faults.md between markers.

The page has two blocks: one of the rows of every run, one of those that are played by hand.
"""

import platform
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import psutil

from tests.faults.catalogue import all_rows
from tests.faults.row import Row
from tests.faults.run import Played
from tests.faults.stage import ROOT

PAGE = ROOT / "docs" / "faults.md"
EVERY_RUN = "<!-- made by `make faults ARGS=--write`: {} -->"
BY_HAND = '<!-- made by `make faults ARGS="--by-hand --write"`: {} -->'


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
    """Put the result between the page's markers, each row into its block.

    A block of which no row was played stays as it is. Raises `ValueError` when markers are gone.
    """
    page = PAGE.read_text(encoding="utf-8")
    every_run = [one for one in played if not one.row.by_hand]
    by_hand = [one for one in played if one.row.by_hand]
    if every_run:
        page = with_block(page, EVERY_RUN, lambda _: _result(every_run, seed))
    if by_hand:
        page = with_block(page, BY_HAND, partial(result_by_hand, by_hand, seed))
    PAGE.write_text(page, encoding="utf-8")


def with_block(page: str, marker: str, made: Callable[[str], Iterable[str]]) -> str:
    """The page with other lines between two markers, made from what stands there.

    Raises `ValueError` without the markers.
    """
    begin, end = marker.format("begin"), marker.format("end")
    found = re.search(re.escape(begin) + "(.*?)" + re.escape(end), page, re.DOTALL)
    if found is None:
        raise ValueError(f"{PAGE} has lost its markers {begin!r} and {end!r}")
    block = "\n".join([begin, "", *made(found[1]), "", end])
    return page[: found.start()] + block + page[found.end() :]


def _result(played: Sequence[Played], seed: int) -> Iterable[str]:
    held = sum(one.held for one in played)
    total = sum(one.seconds for one in played)
    yield f"{machine()}. Seed {seed}: {held} of {len(played)} rows hold; {total / 60:.0f} minutes."
    yield from _tables([(one.row, _line(one.row, _seen(one))) for one in played])


def result_by_hand(played: Sequence[Played], seed: int, before: str) -> Iterable[str]:
    """Every row that is played by hand: those just played, and the others as they stand there.

    One may take half an hour, so they need not be played in one run; on one machine they must.
    """
    here = f"{machine()}. Each row as it was played last."
    stands = dict(re.findall(r"^(\| `[^`]+` \|).* \| ([^|]*) \|$", before, re.MULTILINE))
    seen = {
        one.row.name: f"{_seen(one)}; seed {seed}, {one.seconds / 60:.1f} minutes" for one in played
    }
    lines = []
    for row in all_rows():
        if row.by_hand:
            old = stands.get(f"| `{row.name}` |") if here in before else None
            lines.append((row, _line(row, seen.get(row.name) or old or "not played")))
    yield here
    yield from _tables(lines)


def _tables(lines: Iterable[tuple[Row, str]]) -> Iterable[str]:
    """One for each family."""
    family = ""
    for row, line in lines:
        if row.family != family:
            family = row.family
            yield from ("", f"### {family.capitalize()}", "")
            yield "| row | what was done | what must hold besides | what was seen |"
            yield "|---|---|---|---|"
        yield line


def _line(row: Row, seen: str) -> str:
    cells = (f"`{row.name}`", row.done, row.holds, seen)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


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
