"""kill -9 of what `up` started, and of `up`: nothing acknowledged is lost, nothing POSTed twice.

Processes that run without an `up`, and every place at which one can die, are in `tests/faults`.

After each run everything is held against Meta's own journal, see `proof.oracle`.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.e2e.conftest import StartUp
from tests.e2e.proof.oracle import Evidence, assert_true, figures
from tests.e2e.proof.stage import ROLES, Kill, Stage, open_stage
from tests.e2e.proof.store import at_rest
from tests.e2e.proof.talk import Load

TENANTS = 6
CUSTOMERS = 8
MESSAGES = 10
# Every fifth message of a customer is followed by one that the tenant sends.
TOTAL = TENANTS * CUSTOMERS * MESSAGES * 6 // 5
AHEAD = 150
UNDER_WAY = 4
"""POSTs that Meta must at least have to answer at a kill, or it would prove nothing."""


@asynccontextmanager
async def under_load(stage: Stage) -> AsyncIterator[Load]:
    """A load that runs beside the block and has ended after it: all of it was answered 200."""
    load = Load(stage, stage.register(TENANTS), customers=CUSTOMERS, ahead=AHEAD)
    async with asyncio.timeout(90), asyncio.TaskGroup() as group:
        group.create_task(load.run(messages=MESSAGES))
        yield load


async def killed(stage: Stage, *roles: str, at: float) -> Kill:
    """Kill these when Meta got that share of the load and has some of it to answer."""
    await stage.posted(int(at * TOTAL))
    await stage.busy(UNDER_WAY)
    return stage.kill(*roles)


async def come_to_rest(stage: Stage, load: Load, *kills: Kill, **known: Any) -> Evidence:
    """Wait for rest, assert that everything is true, and give the evidence for more."""
    stored = await at_rest(stage)
    evidence = Evidence(load.talks, stored, stage.journal, kills, **known)
    assert_true(evidence, stage)
    assert len(evidence.outgoing) == TOTAL
    sys.stdout.write(f"{figures(evidence)}; refused {load.refused}\n")
    return evidence


async def test_a_killed_worker_leaves_in_doubt_only_what_was_under_way(start_up: StartUp) -> None:
    """Without statuses, so that nobody settles the doubt: it must be there, and be no more."""
    async with open_stage(start_up, statuses=[]) as stage:
        async with under_load(stage) as load:
            kill = await killed(stage, "worker", at=0.3)
        evidence = await come_to_rest(stage, load, kill, may_doubt=True, statuses=False)
        doubted = {one.id for one in evidence.outgoing if one.status == "in_doubt"}
        assert kill.unanswered <= doubted


async def test_a_killed_up_is_taken_over_without_a_doubt(start_up: StartUp) -> None:
    """The worker is orphaned, not killed: the next `up` stops it in order."""
    async with open_stage(start_up) as stage:
        async with under_load(stage) as load:
            kill = await killed(stage, "up", at=0.2)
            await stage.posted(int(0.3 * TOTAL))
            await stage.start_again()
        await come_to_rest(stage, load, kill)
        assert load.refused


async def test_everything_killed_at_once(start_up: StartUp) -> None:
    async with open_stage(start_up) as stage:
        async with under_load(stage) as load:
            kill = await killed(stage, "up", *ROLES, at=0.4)
            await stage.start_again()
        await come_to_rest(stage, load, kill, may_doubt=True)
        assert load.refused
