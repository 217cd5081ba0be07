"""Whatever goes wrong at once: every message ends in a true state, in order, and none twice.

A property test over drawn fault schedules. `FAULT_SEEDS=7,8,9` runs those seeds, and
`FAULT_SEEDS=100..120` a range; a failure names its seed and prints its schedule.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.e2e.conftest import StartUp
from tests.e2e.proof.crew import open_crew
from tests.e2e.proof.oracle import MOST_LINES, Evidence, answered_once, in_order, stored_once
from tests.e2e.proof.play import Play
from tests.e2e.proof.schedule import CUSTOMERS, MESSAGES, TENANTS, draw
from tests.e2e.proof.stage import Stage, log_tails, open_stage
from tests.e2e.proof.store import Stored, at_rest
from tests.e2e.proof.talk import Load
from tests.e2e.proof.truth import judge

FEW_SEEDS = (1, 2, 3)
AHEAD = 30
ENVIRONMENT = {
    "CALL_DEADLINE_SECONDS": "3",
    "LEASE_SECONDS": "8",
    "RELAY_INTERVAL_SECONDS": "0.5",
    "RETRY_BASE_SECONDS": "0.2",
}


def seeds() -> Sequence[int]:
    """Those of `FAULT_SEEDS`, or a few."""
    given = os.environ.get("FAULT_SEEDS")
    if not given:
        return FEW_SEEDS
    first, dots, last = given.partition("..")
    return range(int(first), int(last) + 1) if dots else [int(seed) for seed in given.split(",")]


@pytest.mark.parametrize("seed", seeds())
async def test_a_drawn_schedule_of_faults(start_up: StartUp, seed: int) -> None:
    async with open_stage(start_up, environment=ENVIRONMENT) as stage, open_crew(stage) as crew:
        lines = stage.register(TENANTS)
        load = Load(stage, lines, customers=CUSTOMERS, ahead=AHEAD)
        numbers = [line.number for line in lines]
        schedule = draw(seed, numbers, [talk.customer for talk in load.talks])
        sys.stdout.write(f"{schedule.told()}\n")
        play = Play(schedule, stage, crew, load)
        began = time.monotonic()
        await play.run()
        played = time.monotonic()
        stored = await at_rest(stage)
        rested = time.monotonic()
        sys.stdout.write(f"played {played - began:.1f} s, at rest {rested - played:.1f} s later\n")
        assert_true(play, stored, stage)


def assert_true(play: Play, stored: Sequence[Stored], stage: Stage) -> None:
    """Fail with everything that is wrong, the schedule and the logs' ends."""
    evidence = Evidence(play.load.talks, stored, stage.journal)
    cases = play.cases(stored)
    findings = judge(cases, play.disturbance())
    wrong = [*stored_once(evidence), *answered_once(evidence), *in_order(evidence)]
    wrong += findings.wrong
    figures = (
        f"{dict(Counter(case.message.status for case in cases))} after {len(stage.journal)} POSTs"
        f" {dict(Counter(str(entry.fault) for entry in stage.journal))};"
        f" {len(play.kills)} kills with {[len(kill.unanswered) for kill in play.kills]} POSTs to"
        f" answer; doubts { ({cause: len(of) for cause, of in findings.doubts.items()}) }"
    )
    sys.stdout.write(f"{figures}\n")
    if wrong:
        shown = [*wrong[:MOST_LINES], f"... {len(wrong)} in all", figures, play.schedule.told()]
        raise AssertionError("\n".join([*shown, log_tails(stage.up)]))
    assert len(cases) == MESSAGES
