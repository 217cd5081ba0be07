"""kill -9 under load, by role: nothing acknowledged is lost, nothing is POSTed twice.

After each run everything is held against Meta's own journal, see `proof.oracle`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.e2e.conftest import StartUp
from tests.e2e.proof.oracle import Evidence, assert_true, figures
from tests.e2e.proof.stage import ROLES, Kill, Stage, open_stage
from tests.e2e.proof.store import at_rest
from tests.e2e.proof.talk import Load

TENANTS = 6
CUSTOMERS = 8
MESSAGES = 10
TOTAL = TENANTS * CUSTOMERS * MESSAGES * 6 // 5
UNDER_WAY = 4


@asynccontextmanager
async def under_load(stage: Stage) -> AsyncIterator[Load]:
    """A load that runs beside the block and has ended after it: all of it was answered 200."""
    load = Load(stage, stage.register(TENANTS), customers=CUSTOMERS)
    async with asyncio.timeout(90), asyncio.TaskGroup() as group:
        group.create_task(load.run(messages=MESSAGES))
        yield load


async def killed(stage: Stage, load: Load, *roles: str, at: float) -> Kill:
    """Kill these when Meta got that share of the load and has POSTs to answer."""
    await stage.posted(int(at * TOTAL))
    await stage.busy(UNDER_WAY)
    kill=stage.kill(*roles)
    import time
    print("kill", roles, time.time(), load._taken, len(stage.journal))
    return kill


async def come_to_rest(stage: Stage, load: Load, *kills: Kill, **known: Any) -> Evidence:
    """Wait for rest, assert that everything is true, and give the evidence for more."""
    import time
    print("loaded", time.time(), load._taken, len(stage.journal))
    stored = await at_rest(stage)
    print("rest", time.time(), load._taken, len(stage.journal))
    evidence = Evidence(load.talks, stored, stage.journal, kills, **known)
    assert_true(evidence, stage)
    assert len(evidence.outgoing) == TOTAL
    print(figures(evidence), load.statuses)
    return evidence


async def test_a_killed_worker_leaves_in_doubt_only_what_was_under_way(start_up: StartUp) -> None:
    """Without statuses, so that nobody settles the doubt: it must be there, and be no more."""
    async with open_stage(start_up, statuses=[]) as stage:
        async with under_load(stage) as load:
            first = await killed(stage, load, "worker", at=0.2)
            second = await killed(stage, load, "worker", at=0.6)
        evidence = await come_to_rest(stage, load, first, second, may_doubt=True, statuses=False)
        doubted = {one.id for one in evidence.outgoing if one.status == "in_doubt"}
        assert first.unanswered | second.unanswered <= doubted


async def test_a_killed_worker_with_statuses(start_up: StartUp) -> None:
    """Meta's statuses settle the doubt: what is left of it never reached Meta."""
    async with open_stage(start_up) as stage:
        async with under_load(stage) as load:
            kill = await killed(stage, load, "worker", at=0.4)
        await come_to_rest(stage, load, kill, may_doubt=True)


@pytest.mark.parametrize("role", ["api", "valkey"])
async def test_a_killed_part_that_sends_nothing_leaves_no_doubt(
    start_up: StartUp, role: str
) -> None:
    async with open_stage(start_up) as stage:
        async with under_load(stage) as load:
            kills = [await killed(stage, load, role, at=share) for share in (0.2, 0.6)]
        await come_to_rest(stage, load, *kills)


async def test_a_killed_mongod_has_in_its_journal_what_was_acknowledged(start_up: StartUp) -> None:
    async with open_stage(start_up) as stage:
        async with under_load(stage) as load:
            kill = await killed(stage, load, "mongod", at=0.4)
        await come_to_rest(stage, load, kill, may_doubt=True)


async def test_a_killed_up_is_taken_over_without_a_doubt(start_up: StartUp) -> None:
    """The worker is orphaned, not killed: the next `up` stops it in order."""
    async with open_stage(start_up) as stage:
        async with under_load(stage) as load:
            kill = await killed(stage, load, "up", at=0.3)
            await load.taken(int(0.4 * TOTAL))
            await stage.start_again()
        await come_to_rest(stage, load, kill)


async def test_everything_killed_at_once(start_up: StartUp) -> None:
    async with open_stage(start_up) as stage:
        async with under_load(stage) as load:
            kill = await killed(stage, load, "up", *ROLES, at=0.4)
            await stage.start_again()
        await come_to_rest(stage, load, kill, may_doubt=True)
