"""Several faults at once, drawn by the seed: nobody's trouble waits for the end of another's."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.faults.row import row
from tests.faults.stage import Stage
from tests.faults.stores import WITHOUT_FILE

PAIRS = 3
FAILOVER_SECONDS = 60.0
TROUBLED_CALLS = (
    {"kind": "reset"},
    {"kind": "reset", "point": "after_accept"},
    {"kind": "hang", "point": "after_accept"},
    {"kind": "error", "code": 131016},
    {"kind": "error", "code": 131056},
    {"kind": "error", "code": 130429},
)
EACH = 0.02
"""The part of all POSTs that each of these strikes."""

Blow = Callable[[Stage], Awaitable[None]]


@row(
    done="while Graph resets, hangs and refuses, blows drawn by the seed fall on a process of ours,"
    " Valkey and the primary of three, two at once, three times",
    holds="every doubt has its cause: a worker's end, or an answer withheld",
    nodes=3,
    doubts=True,
)
async def all_at_once(stage: Stage) -> str:
    seed = stage.dice.randrange(2**32)
    stage.fault(
        *(
            {"fault": fault, "probability": EACH, "seed": seed + place}
            for place, fault in enumerate(TROUBLED_CALLS)
        )
    )
    told = []
    async with stage.load() as load:
        for _ in range(PAIRS):
            await load.took(25, seconds=FAILOVER_SECONDS)
            both = [stage.dice.choice(part) for part in stage.dice.sample(PARTS, 2)]
            await stage.busy(2)
            await asyncio.gather(*(blow(stage) for blow in both))
            told.append(" with ".join(blow.__name__.strip("_").replace("_", " ") for blow in both))
        await load.took(60, seconds=FAILOVER_SECONDS)
        stage.no_more_faults()
        await load.took(20)
    return "; ".join(told)


async def _worker(stage: Stage) -> None:
    worker = stage.dice.choice(stage.workers)
    stage.kill(worker)
    await worker.ended()
    await stage.start(worker)


async def _api(stage: Stage) -> None:
    api = stage.dice.choice(stage.apis)
    stage.kill(api)
    await api.ended()
    await stage.start(api)


async def _valkey(stage: Stage) -> None:
    """It comes back empty."""
    stage.valkey.kill()
    await stage.valkey.ended()
    stage.valkey.options = WITHOUT_FILE
    await stage.valkey.open()


async def _flush(stage: Stage) -> None:
    async with stage.valkey.client() as redis:
        await redis.flushall()


async def _primary(stage: Stage) -> None:
    primary = stage.mongods.nodes[await stage.mongods.primary()]
    primary.kill()
    await primary.ended()
    await stage.mongods.writable()
    primary.start()
    await stage.mongods.writable()


async def _step_down(stage: Stage) -> None:
    async with stage.mongods.client_of(await stage.mongods.primary()) as client:
        await client.admin.command("replSetStepDown", 10, secondaryCatchUpPeriodSecs=5)
    await stage.mongods.writable()


PARTS: tuple[tuple[Blow, ...], ...] = ((_worker, _api), (_valkey, _flush), (_primary, _step_down))
"""Two blows at once fall on two of these."""
