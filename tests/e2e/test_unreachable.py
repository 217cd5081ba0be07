"""No connection to Graph for a while: everything waits, nothing fails, nobody is needed.

`PROOF_SECONDS=60` makes that while a minute.
"""

import asyncio
import os
import sys
import time
from collections import Counter

from tests.e2e.conftest import StartUp
from tests.e2e.proof.oracle import Evidence, assert_true, figures
from tests.e2e.proof.stage import QUICK, Stage, open_stage
from tests.e2e.proof.store import at_rest, read_messages
from tests.e2e.proof.talk import Load, Turn

SHORT_SECONDS = 12.0
TENANTS = 3
CUSTOMERS = 4
BEFORE: list[Turn] = ["say", "send"]
MEANWHILE: list[Turn] = ["say", "say", "send", "say", "send"]
# The longest wait of the host's breaker, and some time to send it all.
SENT_WITHIN_SECONDS = 15.0


def seconds_away() -> float:
    """How long Graph is away."""
    return float(os.environ.get("PROOF_SECONDS", SHORT_SECONDS))


async def play(stage: Stage, load: Load, turns: list[Turn]) -> None:
    """All customers and tenants say this."""
    async with asyncio.timeout(30):
        await load.play([turns] * len(load.talks))


async def test_a_while_without_any_connection(start_up: StartUp) -> None:
    async with open_stage(start_up, environment=QUICK) as stage:
        load = Load(stage, stage.register(TENANTS), customers=CUSTOMERS, ahead=10**6)
        await play(stage, load, BEFORE)
        await at_rest(stage)  # So that the closing finds no request on a connection.
        posted_before = len(stage.journal)

        async with stage.simulator.refusing():
            began = time.monotonic()
            await play(stage, load, MEANWHILE)
            await asyncio.sleep(began + seconds_away() - time.monotonic())
            waiting = [one for one in await read_messages(stage) if one.status == "queued"]
            new = len(load.talks) * len(MEANWHILE)
            assert (len(waiting), {one.attempts for one in waiting}) == (new, {0})
            assert len(stage.journal) == posted_before

        stored = await at_rest(stage, seconds=SENT_WITHIN_SECONDS)
        evidence = Evidence(load.talks, stored, stage.journal)
        assert_true(evidence, stage)
        sys.stdout.write(f"{seconds_away():.0f} s away; {figures(evidence)}\n")
        assert Counter(one.status for one in evidence.outgoing) == {"read": len(load.talks) * 7}
        assert {one.attempts for one in evidence.outgoing} == {1}
