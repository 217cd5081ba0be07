"""Numbers with a backlog go as fast as they may and no faster, whoever sends for them.

Three workers. `PROOF_SECONDS=30` counts for so long.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import mean

import pytest

from tests.e2e.conftest import StartUp
from tests.e2e.proof.crew import open_crew
from tests.e2e.proof.flood import put
from tests.e2e.proof.stage import Line, Stage, open_stage

SHORT_SECONDS = 10.0
PER_SECOND = 80
TOLERANCE = 2
SETTLE_SECONDS = 1.0
"""From the first message on, until the rate must hold: the burst is over then."""
WINDOWS = 3
"""One of them must keep the rate: what a busy machine loses is no fault of the limits."""
SPARE_SECONDS = 4
START_SECONDS = 30.0
# As shipped, but for the relay's round: it only starts the numbers, they go on by themselves.
ENVIRONMENT = {"RELAY_INTERVAL_SECONDS": "1"}


def seconds_counted() -> float:
    """How long is counted."""
    return float(os.environ.get("PROOF_SECONDS", SHORT_SECONDS))


async def arrived(stage: Stage, lines: Sequence[Line], seconds: float) -> dict[str, list[float]]:
    """Per number: when its messages arrived, once all have gone for so long after their start."""
    async with asyncio.timeout(START_SECONDS + seconds):
        while not _gone_for(times := _times(stage, lines), SETTLE_SECONDS + seconds):
            await asyncio.sleep(0.1)
    return times


def _times(stage: Stage, lines: Sequence[Line]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {line.number: [] for line in lines}
    for entry in stage.journal:
        times[entry.phone_number_id].append(entry.at)
    return times


def _gone_for(times: Mapping[str, Sequence[float]], seconds: float) -> bool:
    """Whether every number began at least so long ago."""
    now = time.time()
    return all(arrivals and now - min(arrivals) > seconds for arrivals in times.values())


def by_second(times: Sequence[float], seconds: float) -> list[int]:
    """How many messages arrived in each second, from `SETTLE_SECONDS` after the first on."""
    since = min(times) + SETTLE_SECONDS
    places = Counter(int(at - since) for at in times if since <= at < since + seconds)
    return [places[second] for second in range(int(seconds))]


@pytest.mark.parametrize("numbers", [1, 5])
async def test_a_backlog_goes_at_its_rate(start_up: StartUp, numbers: int) -> None:
    """Never faster; and as fast as that, unless the machine itself is held up in each window."""
    seconds = seconds_counted()
    async with (
        open_stage(start_up, environment=ENVIRONMENT, statuses=[]) as stage,
        open_crew(stage),
    ):
        lines = stage.register(numbers)
        backlog = int((SETTLE_SECONDS + WINDOWS * seconds + SPARE_SECONDS) * PER_SECOND)
        for line in lines:
            await put(stage, line, backlog)
        for windows in range(1, WINDOWS + 1):
            times = await arrived(stage, lines, windows * seconds)
            histograms = {n: by_second(at, windows * seconds) for n, at in times.items()}
            rates = {n: mean(found[-int(seconds) :]) for n, found in histograms.items()}
            sys.stdout.write(shown(rates, histograms))
            assert max(rates.values()) <= PER_SECOND + TOLERANCE, rates
            if min(rates.values()) >= PER_SECOND - TOLERANCE:
                return
    raise AssertionError(f"slower than {PER_SECOND} +- {TOLERANCE} a second: {rates}")


def shown(rates: Mapping[str, float], histograms: Mapping[str, list[int]]) -> str:
    """One line per number."""
    return "".join(f"{n}: {rates[n]:.2f} a second; {histograms[n]}\n" for n in rates)
