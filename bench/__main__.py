"""`python -m bench`: everybody side by side; see docs/benchmarks.md.

Exit code: 0 when every target holds, 1 when one is missed, 2 when nothing trustworthy was measured.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType

from bench import alone, page, profiling
from bench.forms import LONG, SHORT, Form
from bench.programs import BenchError
from bench.results import Results
from bench.run import OUT, report, run

HOLDS, MISSED, UNTRUSTWORTHY = 0, 1, 2


def main() -> int:
    """Do what was asked for; answers the exit code."""
    asked = _arguments()
    signal.signal(signal.SIGTERM, _end_in_order)
    OUT.mkdir(exist_ok=True)
    try:
        return _do(asked)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return UNTRUSTWORTHY


def _end_in_order(number: int, _frame: FrameType | None) -> None:
    """Unwind as Ctrl-C does, so that every server and process is stopped."""
    sys.exit(128 + number)


def _do(asked: argparse.Namespace) -> int:
    if asked.what == "all":
        return _side_by_side(_form(asked))
    if asked.what == "publish":
        for file in page.publish(Results.from_json(asked.file.read_text(encoding="utf-8"))):
            _say(f"wrote {file}")
    elif asked.what == "profile":
        asyncio.run(profiling.profile(OUT, seconds=asked.seconds or 20.0, say=_say))
    elif asked.what == "steady":
        asyncio.run(alone.steady(seconds=asked.seconds or 30.0, say=_say))
    else:
        seconds, rounds = asked.seconds or 10.0, asked.rounds or 3
        asyncio.run(alone.fastest(rounds=rounds, seconds=seconds, say=_say))
    return HOLDS


def _side_by_side(form: Form) -> int:
    results = asyncio.run(run(form, say=_timed()))
    _say(f"\n{report(results)}\n\nEverything measured: {results.write(OUT)}")
    if results.all_hold:
        _say("Every target that this form judges holds.")
        return HOLDS
    _say("Targets are missed: make profile shows where the time goes.")
    return MISSED


def _form(asked: argparse.Namespace) -> Form:
    """The form that was asked for; with other numbers than its own it goes by another name."""
    form = SHORT if asked.short else LONG
    others = {
        "rounds": asked.rounds,
        "seconds": asked.seconds,
        "fill_messages": asked.fill,
        "memory_messages": asked.memory,
    }
    changed = {name: value for name, value in others.items() if value is not None}
    return replace(form, name=f"{form.name}-changed", **changed) if changed else form


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="all: everybody side by side; ours: ours alone, at its fastest; steady: ours"
        " alone, at 1,000 requests a second; profile: where each microsecond goes; publish: write"
        " a run into docs/benchmarks.md",
    )
    kinds = ("all", "ours", "steady", "profile", "publish")
    parser.add_argument("what", nargs="?", choices=kinds, default="all")
    parser.add_argument("file", nargs="?", type=Path, help="to publish: a run's JSON")
    parser.add_argument("--short", action="store_true", help="three minutes instead of 45")
    parser.add_argument("--rounds", type=int, help="of each case (5; short: 3)")
    parser.add_argument("--seconds", type=float, help="of each kind of load in a round (10; 5)")
    parser.add_argument("--fill", type=int, help="messages in the full database (2,000,000)")
    parser.add_argument("--memory", type=int, help="messages before memory is looked at (500,000)")
    asked = parser.parse_args()
    if (asked.what == "publish") != (asked.file is not None):
        parser.error("publish, and nothing else, takes a file")
    return asked


def _say(line: str) -> None:
    print(line, flush=True)


def _timed() -> Callable[[str], None]:
    """Say lines with the minutes since now: a long run is watched from afar."""
    started = time.monotonic()

    def say(line: str) -> None:
        _say(f"[{(time.monotonic() - started) / 60:4.1f} min] {line}")

    return say


if __name__ == "__main__":
    sys.exit(main())
