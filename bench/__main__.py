"""`python -m bench`: measure; `mixed`: messages and statuses; `profile`: where the time goes."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from bench import load, mixed, profiling, report, rounds
from bench.programs import BenchError, find, find_profiler
from bench.report import Figure
from bench.rounds import CASES, Round
from bench.system import System

OUT = Path(__file__).parent / "out"


def main() -> int:
    """Exit code: 0 also for a missed target, 1 when nothing trustworthy was measured."""
    wanted = _arguments()
    OUT.mkdir(exist_ok=True)
    try:
        for program in ("wrk", "nginx"):
            find(program)
        if wanted.what == "profile":
            find_profiler()
            asyncio.run(_profile(wanted.seconds or (10 if wanted.quick else 20)))
        elif wanted.what == "mixed":
            asyncio.run(_mixed(wanted.seconds or (10 if wanted.quick else 30)))
        else:
            asyncio.run(
                _measure(
                    wanted.rounds or (1 if wanted.quick else 3),
                    wanted.seconds or (10 if wanted.quick else 20),
                )
            )
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "what", nargs="?", choices=("measure", "mixed", "profile"), default="measure"
    )
    parser.add_argument("--quick", action="store_true", help="one short round of each case")
    parser.add_argument("--rounds", type=int, help="rounds of each case (3)")
    parser.add_argument("--seconds", type=float, help="of load in a round (20)")
    return parser.parse_args()


async def _measure(count: int, seconds: float) -> None:
    found: list[Figure] = []
    done: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="manyline-bench-") as directory:
        async with System(Path(directory)) as system:
            for case in CASES:
                _say(f"{case.name}: preparing webhooks")
                webhooks = Path(directory, "webhooks.txt")
                load.prepare(
                    webhooks, tenants=case.tenants, seconds=seconds, app_secret=system.app_secret
                )
                these = []
                for number in range(1, count + 1):
                    one = rounds.run(system, case, webhooks, seconds=seconds)
                    _say(f"{case.name}, round {number} of {count}: {_told(one)}")
                    these.append(one)
                done += these
                found += report.figures(case, these)
    print(f"\n{report.render(found)}\n")
    print(f"Everything measured: {report.write_json(found, done, OUT)}")


async def _mixed(seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="manyline-bench-") as directory:
        async with System(Path(directory)) as system:
            print((await mixed.measure(system, seconds)).told())


def _told(one: Round) -> str:
    told = f"{one.loaded.per_second:,.0f} webhooks/s"
    if one.case.replies:
        told += f", {one.replies_per_second:,.0f} replies/s end to end"
    share = one.spent.elsewhere_share
    return f"{told} (load average before {one.load_average:.1f}, others took {share:.0%} of CPU)"


async def _profile(seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="manyline-bench-") as directory:
        async with System(Path(directory)) as system:
            _say(f"profiling api and worker for {seconds:.0f} s at 100 tenants")
            for taken in profiling.run(system, Path(directory), OUT, seconds=seconds):
                print(f"\n{profiling.render(taken)}")
                print(f"\nThe whole profile, for speedscope.app: {taken.file}")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
