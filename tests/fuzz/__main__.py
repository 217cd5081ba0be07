"""`make fuzz`: spoiled webhooks for as long as FUZZ_SECONDS says (600), each by a seed of its own.

A failure names its seed; FUZZ_SEED=<seed> repeats that one alone. What is checked stands in
TARGETS: a target takes the seed's generator, makes its own input of it, and raises when
something does not hold.
"""

import asyncio
import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from random import Random

from tests.fuzz.mutations import mutant, noise
from tests.fuzz.parsing import check_mutant, check_noise

Target = Callable[[Random], Awaitable[None]]
REPORT_EVERY = 30.0  # seconds


async def parses_mutants(random: Random) -> None:
    """One thing wrong: its neighbours are read as ever."""
    check_mutant(mutant(random))


async def parses_noise(random: Random) -> None:
    """Bytes changed at random: no surprise."""
    check_noise(noise(random))


TARGETS: tuple[Target, ...] = (parses_mutants, parses_noise)


async def _run(seconds: float, first_seed: int) -> int:
    started = reported = time.monotonic()
    seed = first_seed
    while (now := time.monotonic()) - started < seconds:
        if now - reported >= REPORT_EVERY:
            reported = now
            _say(f"{seed - first_seed:,} webhooks in {now - started:.0f} s")
        if not await _holds(seed):
            return 1
        seed += 1
    _say(f"nothing found in {seed - first_seed:,} webhooks ({seconds:g} s)")
    return 0


async def _holds(seed: int) -> bool:
    for target in TARGETS:
        try:
            await target(Random(seed))
        except Exception:  # noqa: BLE001 - whatever it is, its seed must be told
            traceback.print_exc()
            _say(f"{target.__name__} failed; FUZZ_SEED={seed} repeats it")
            return False
    return True


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def main() -> int:
    """0 when everything held."""
    repeated = os.environ.get("FUZZ_SEED")
    if repeated is not None:
        return 0 if asyncio.run(_holds(int(repeated))) else 1
    seconds = float(os.environ.get("FUZZ_SECONDS", "600"))
    return asyncio.run(_run(seconds, first_seed=time.time_ns() // 1_000_000))


if __name__ == "__main__":
    sys.exit(main())
