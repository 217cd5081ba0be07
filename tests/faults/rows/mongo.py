"""MongoDB: the primary steps down, dies, freezes; the majority is lost; the only node dies.

No worker dies in any of these, and every answer of Meta's comes through: whoever was told keeps
it until a store takes it, and what was claimed and not POSTed is handed back. So none is in doubt.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.probe import FAILOVER_SECONDS, open_probe
from tests.faults.processes import Process
from tests.faults.row import row
from tests.faults.stage import Stage

TIMES = 2
FROZEN_SECONDS = 14.0
"""Nobody waits for an answer longer than 10 s."""


@row(
    done="the primary of three steps down under load, twice",
    holds="none in doubt",
    nodes=3,
)
async def primary_stepped_down(stage: Stage) -> str | None:
    async with stage.load() as load:
        for _ in range(TIMES):
            await load.took(40)
            await stage.busy(2)
            async with stage.mongods.client_of(await stage.mongods.primary()) as client:
                await client.admin.command("replSetStepDown", 10, secondaryCatchUpPeriodSecs=5)
            await load.took(60, seconds=FAILOVER_SECONDS)
    return None


@row(
    done="kill -9 of the primary of three with POSTs in flight, twice; it comes back later",
    holds="none in doubt: who was told by Meta keeps it until the next primary takes it",
    nodes=3,
    short=True,
)
async def primary_killed(stage: Stage) -> str | None:
    async with stage.load() as load:
        for _ in range(TIMES):
            await load.took(40)
            primary = stage.mongods.nodes[await stage.mongods.primary()]
            await stage.busy(2)
            primary.kill()
            await primary.ended()
            await load.took(60, seconds=FAILOVER_SECONDS)
            primary.start()
            await stage.mongods.writable()
    return None


@row(
    done="the primary of three is frozen (SIGSTOP) while it is asked for a claim, and woken when"
    " the next one has long taken over",
    holds="none in doubt; what the old primary is still asked to do is undone",
    nodes=3,
    armed=("worker",),
)
async def primary_frozen(stage: Stage) -> str:
    async with stage.load() as load:
        await load.took(40)
        primary = stage.mongods.nodes[await stage.mongods.primary()]
        async with _as_it_claims(stage, stage.workers[0]):
            primary.freeze()
        began = time.monotonic()
        await load.took(60, seconds=FAILOVER_SECONDS)
        primary.thaw()
        seconds = time.monotonic() - began
        await load.took(60)
    return f"frozen for {seconds:.1f} s"


@row(
    done="the primary of three is frozen with POSTs in flight, and woken as soon as there is"
    " another, while everybody still waits for its answers; three times",
    holds="none in doubt; what it takes before it hears of the other is undone, and was told"
    " nobody as done",
    nodes=3,
)
async def primary_frozen_briefly(stage: Stage) -> str:
    frozen = []
    async with stage.load() as load:
        for _ in range(3):
            await load.took(30, seconds=FAILOVER_SECONDS)
            primary = stage.mongods.nodes[await stage.mongods.primary()]
            await stage.busy(2)
            began = time.monotonic()
            primary.freeze()
            await stage.mongods.primary()
            primary.thaw()
            frozen.append(time.monotonic() - began)
        await load.took(60, seconds=FAILOVER_SECONDS)
    return f"frozen for {', '.join(f'{seconds:.1f}' for seconds in frozen)} s"


@row(
    done="two of three are killed while the primary is asked for a claim, for 10 s: there is no"
    " majority",
    holds="every webhook and every send is answered 503 with Retry-After meanwhile; none in doubt",
    nodes=3,
    armed=("worker",),
)
async def majority_lost(stage: Stage) -> str:
    async with stage.load() as load:
        await load.took(60)
        probe = await open_probe(stage)
        lost = await _secondaries(stage)
        async with _as_it_claims(stage, stage.workers[0]):
            for node in lost:
                node.kill()
                await node.ended()
        said = await probe.while_away(stage)
        for node in lost:
            node.start()
        await stage.mongods.writable()
        await probe.taken_at_last(stage)
        await load.took(60, seconds=FAILOVER_SECONDS)
    return said


@row(
    done="the only mongod is killed with POSTs in flight, and is away for 10 s",
    holds="every webhook and every send is answered 503 with Retry-After meanwhile; none in doubt",
)
async def only_node_killed(stage: Stage) -> str:
    [mongod] = stage.mongods.nodes
    async with stage.load() as load:
        await load.took(60)
        probe = await open_probe(stage)
        await stage.busy(2)
        mongod.kill()
        await mongod.ended()
        said = await probe.while_away(stage)
        mongod.start()
        await stage.mongods.writable()
        await probe.taken_at_last(stage)
        await load.took(60, seconds=FAILOVER_SECONDS)
    return said


@row(
    done="the only mongod is killed with POSTs in flight and started again at once, three times",
    holds="none in doubt",
)
async def only_node_restarted(stage: Stage) -> str | None:
    [mongod] = stage.mongods.nodes
    async with stage.load() as load:
        for _ in range(3):
            await load.took(40)
            await stage.busy(2)
            mongod.kill()
            await mongod.ended()
            mongod.start()
            await stage.mongods.writable()
        await load.took(40, seconds=FAILOVER_SECONDS)
    return None


@row(
    done="the only mongod is frozen (SIGSTOP) while it is asked for a claim, for longer than"
    " anybody waits for it, and woken",
    holds="none in doubt: nobody waits for this claim any more, so it is handed back",
    armed=("worker",),
)
async def only_node_frozen(stage: Stage) -> str:
    [mongod] = stage.mongods.nodes
    async with stage.load() as load:
        await load.took(40)
        async with _as_it_claims(stage, stage.workers[0]):
            mongod.freeze()
        began = time.monotonic()
        await asyncio.sleep(FROZEN_SECONDS)
        mongod.thaw()
        seconds = time.monotonic() - began
        await load.took(60, seconds=FAILOVER_SECONDS)
    return f"frozen for {seconds:.1f} s"


@asynccontextmanager
async def _as_it_claims(stage: Stage, worker: Process) -> AsyncIterator[None]:
    """What the block does to the store comes just before the worker's claim gets there.

    The worker stands still (SIGSTOP) meanwhile.
    """
    stage.arm(worker, "claim", "before", deed="freeze")
    await stage.burnt(worker)
    yield
    worker.thaw()


async def _secondaries(stage: Stage) -> list[Process]:
    primary = await stage.mongods.primary()
    return [node for place, node in enumerate(stage.mongods.nodes) if place != primary]
