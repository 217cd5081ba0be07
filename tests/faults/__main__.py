"""`make faults`: play every row of faults, print what was seen, exit 0 only if all of it holds.

python -m tests.faults [--short | --by-hand] [--seed N] [--broken NAME] [--write] [--list] [ROW ...]
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

from tests.faults.catalogue import all_rows
from tests.faults.changes import BROKEN, CHANGES
from tests.faults.report import printed_table, write_page
from tests.faults.row import Row
from tests.faults.run import Played, play


def main() -> int:
    """Read the command line, play, report."""
    asked = command_line(sys.argv[1:])
    rows = rows_asked_for(asked)
    if asked.list:
        for row in rows:
            kind = "by hand" if row.by_hand else "short" if row.short else ""
            sys.stdout.write(f"{row.name:32} {kind:7} {row.done}\n")
        return 0
    seed = asked.seed
    # Meta's complaint that nobody answers: here somebody saw to that.
    logging.getLogger("graphsim").setLevel(logging.ERROR)
    try:
        played = asyncio.run(_play_all(rows, seed=seed, broken=asked.broken))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stdout.write("stopped; nothing is left running\n")
        return 130
    sys.stdout.write(printed_table(played))
    if asked.write:
        write_page(played, seed=seed)
    by_name = set(asked.rows)
    good = all(one.held or (one.skipped and one.row.name not in by_name) for one in played)
    return 0 if good and played else 1


async def _play_all(rows: Sequence[Row], *, seed: int, broken: str | None) -> list[Played]:
    task = asyncio.current_task()
    assert task is not None
    # Or the processes of the row under way would outlive us.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    sys.stdout.write(
        f"{len(rows)} rows, seed {seed}{f', {CHANGES[broken].told}' if broken else ''}\n"
    )
    played = []
    for row in rows:
        played.append(await play(row, seed=seed, broken=broken))
        sys.stdout.write(f"{played[-1].line}\n")
        sys.stdout.flush()
    return played


def rows_asked_for(asked: argparse.Namespace) -> list[Row]:
    """In the order of the catalogue, or as named; ends the process when there is no such row."""
    rows = {row.name: row for row in all_rows()}
    if unknown := [name for name in asked.rows if name not in rows]:
        sys.exit(f"no such row: {', '.join(unknown)}; --list tells them all")
    if asked.rows:
        return [rows[name] for name in asked.rows]
    if asked.broken:
        return [rows[name] for name in CHANGES[asked.broken].noticed_by]
    if asked.by_hand or asked.list:
        return [row for row in rows.values() if row.by_hand or not asked.by_hand]
    return [row for row in rows.values() if not row.by_hand and (row.short or not asked.short)]


def command_line(words: Sequence[str]) -> argparse.Namespace:
    """What is asked for; ends the process when it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only these")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--short", action="store_true", help="the rows that CI plays")
    which.add_argument(
        "--by-hand",
        action="store_true",
        help="the rows that need privileges or half an hour; otherwise they are played when named",
    )
    parser.add_argument("--seed", type=int, default=1, help="of what rows draw (1)")
    parser.add_argument("--list", action="store_true", help="name the rows and play none")
    parser.add_argument("--write", action="store_true", help="put the result into docs/faults.md")
    parser.add_argument(
        "--broken",
        choices=BROKEN,
        help="break the product on purpose: the rows that must notice have to FAIL, exit code 1",
    )
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
