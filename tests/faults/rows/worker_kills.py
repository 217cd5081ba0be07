"""kill -9 of a worker at exact places of the way out.

Two lives end, at passings that the seed draws; others take over and the worker is started again.
What it had claimed comes to rest when its lease ends. A relay that dies with it is followed within
twelve seconds.
"""

import asyncio
from collections import Counter

from tests.faults.lives import BETWEEN, LIVES, killed_at
from tests.faults.load import Talking
from tests.faults.row import row
from tests.faults.stage import Stage
from tests.faults.verdict import come_to_rest

IN_FLIGHT = 4
RESENT_SECONDS = 40.0
"""The relay's term, the lease, and the policy's wait."""


@row(
    done="kill -9 of a worker before its claim, twice",
    holds="in doubt at most what was in flight besides",
    armed=("worker",),
    doubts=True,
)
async def worker_killed_before_claim(stage: Stage) -> str:
    return await killed_at(stage, stage.workers, "claim", "before")


@row(
    done="kill -9 of a worker after its claim, before the POST, twice",
    holds="what was claimed is in doubt, and no more than what was in flight besides: from outside"
    " nobody can tell a claim from a POST",
    armed=("worker",),
    doubts=True,
)
async def worker_killed_after_claim(stage: Stage) -> str:
    return await killed_at(stage, stage.workers, "claim", "after")


@row(
    done="kill -9 of a worker while Meta has four or more of its POSTs to answer, twice;"
    " no statuses",
    holds="every one of them that nobody else knows of is in doubt, and none is POSTed again",
    doubts=True,
    short=True,
    workers=1,
    simulated={"statuses": []},
)
async def worker_killed_after_post(stage: Stage) -> str:
    async with stage.load() as load:
        await _killed_in_flight(stage, load)
    outcome = await come_to_rest(stage, doubts=True)
    doubted = {one.id for one in outcome.outgoing if one.status == "in_doubt"}
    for kill in stage.kills:
        missing = kill.unanswered - doubted
        assert not missing, f"violated: states true: nobody can know of {missing}: {doubted}"
    return f"{len(doubted)} in doubt"


@row(
    done="as before, and the tenants' policy for doubts is `resend`",
    holds="what was in doubt is POSTed once more, nothing else is, and no doubt is left",
    workers=1,
    simulated={"statuses": []},
    environment={"IN_DOUBT_WAIT_SECONDS": "2"},
)
async def worker_killed_and_resent(stage: Stage) -> str:
    async with stage.load() as load:
        for line in stage.lines:
            await stage.patch(line, settings={"inDoubtPolicy": "resend"})
        await _killed_in_flight(stage, load)
    lost = frozenset().union(*(kill.unanswered for kill in stage.kills))
    await _resent(stage, lost)
    outcome = await come_to_rest(stage, doubts=False)
    again = [one for one in outcome.outgoing if any(e["event"] == "resent" for e in one.history)]
    return f"{len(again)} resent"


async def _killed_in_flight(stage: Stage, load: Talking) -> None:
    """The only worker dies while Meta has several of its POSTs to answer, again and again."""
    [worker] = stage.workers
    for _ in range(LIVES):
        await load.took(BETWEEN)
        await stage.busy(IN_FLIGHT)
        stage.kill(worker)
        await worker.ended()
        await stage.start(worker)
    await load.took(BETWEEN)


async def _resent(stage: Stage, lost: frozenset[str]) -> None:
    """Return when each of these has been POSTed again, and nothing is in doubt."""
    async with stage.mongo() as client:
        messages = client.get_default_database()["messages"]
        async with asyncio.timeout(RESENT_SECONDS):
            while True:
                posted = Counter(entry.biz_opaque_callback_data for entry in stage.journal)
                doubts = await messages.count_documents(
                    {"status": {"$in": ["in_doubt", "sending"]}}
                )
                if not doubts and all(posted[one] > 1 for one in lost):
                    return
                await asyncio.sleep(0.1)


@row(
    done="kill -9 of a worker with Meta's answer in hand, before it is written down, twice",
    holds="no doubt is left: Meta's statuses tell what the worker could not",
    armed=("worker",),
    doubts=True,
)
async def worker_killed_after_answer(stage: Stage) -> str:
    return await killed_at(stage, stage.workers, "call", "after")


@row(
    done="kill -9 of a worker before its settlement is written, twice",
    holds="no doubt is left of what Meta has taken: its statuses tell",
    armed=("worker",),
    doubts=True,
)
async def worker_killed_before_settle(stage: Stage) -> str:
    return await killed_at(stage, stage.workers, "settle", "before")


@row(
    done="kill -9 of a worker in the settlement: written, those behind not woken; twice",
    holds="who stood behind a settled message is found by the relay",
    armed=("worker",),
    doubts=True,
)
async def worker_killed_in_settle(stage: Stage) -> str:
    return await killed_at(stage, stage.workers, "settle", "after")
