"""Redis: emptied, killed, away, frozen, full. All that it holds can be made again.

Throughout, webhooks and sends are answered 200: none of them waits for Redis.
"""

import asyncio
import time

from tests.faults.load import Talking
from tests.faults.row import row
from tests.faults.stage import Stage
from tests.faults.stores import WITHOUT_FILE

FLUSHES = 4
AWAY_SECONDS = 10.0
TAKEN_MEANWHILE = 100
"""A fault that lasts ends only when so many messages were taken under it."""
FULL = "1mb"
"""Less than an empty server uses."""


async def taken_meanwhile(load: Talking) -> str:
    """The fault lasts: everybody is taken at once, as if nothing were wrong."""
    taken, refused = load.taken, load.refused
    await asyncio.gather(asyncio.sleep(AWAY_SECONDS), load.took(TAKEN_MEANWHILE))
    again = load.refused - refused
    assert not again, f"violated: all are answered 200 meanwhile: {again} times not"
    return f"{load.taken - taken} taken meanwhile"


@row(
    done="FLUSHALL under load, four times",
    holds="nothing waits for ever: the relay finds what nobody was woken for",
    short=True,
)
async def redis_flushed(stage: Stage) -> str | None:
    async with stage.load() as load, stage.valkey.client() as redis:
        for _ in range(FLUSHES):
            await load.took(40)
            await stage.busy(1)
            await redis.flushall()
        await load.took(40)
    return None


@row(
    done="kill -9 of Valkey under load, twice; each time it comes back empty",
    holds="as after FLUSHALL, and every process finds the way back to it",
)
async def redis_killed(stage: Stage) -> str | None:
    stage.valkey.options = WITHOUT_FILE
    async with stage.load() as load:
        for _ in range(2):
            await load.took(60)
            stage.valkey.kill()
            await stage.valkey.ended()
            await load.took(30)
            await stage.valkey.open()
            await _is_empty_no_more(stage)
        await load.took(60)
    return None


async def _is_empty_no_more(stage: Stage, *, seconds: float = 30.0) -> None:
    """Somebody has put something into it again."""
    deadline = time.monotonic() + seconds
    async with stage.valkey.client() as redis:
        while not await redis.dbsize():
            assert time.monotonic() < deadline, "violated: nobody found the way back to Redis"
            await asyncio.sleep(0.05)


@row(
    done="Valkey is down for 10 s: connections are refused",
    holds="all are answered 200 meanwhile, and their messages go when it is back",
)
async def redis_refused(stage: Stage) -> str:
    async with stage.load() as load:
        await load.took(60)
        await stage.valkey.stop()
        said = await taken_meanwhile(load)
        await stage.valkey.open()
        await load.took(60)
    return said


@row(
    done="Valkey is frozen (SIGSTOP) for 10 s: it is connected to and does not answer",
    holds="all are answered 200 meanwhile, and their messages go when it is woken",
)
async def redis_frozen(stage: Stage) -> str:
    async with stage.load() as load:
        await load.took(60)
        stage.valkey.freeze()
        said = await taken_meanwhile(load)
        stage.valkey.thaw()
        await load.took(60)
    return said


@row(
    done="Valkey is out of memory for 10 s (`noeviction`): it refuses every write",
    holds="all are answered 200 meanwhile, and their messages go when there is room again",
)
async def redis_full(stage: Stage) -> str:
    async with stage.load() as load, stage.valkey.client() as redis:
        await load.took(60)
        await redis.config_set("maxmemory", FULL)
        said = await taken_meanwhile(load)
        refused = (await redis.info("errorstats")).get("errorstat_OOM", {}).get("count", 0)
        assert refused, "it refused nothing: the row proves nothing"
        await redis.config_set("maxmemory", 0)
        await load.took(60)
    return f"{said}; it refused {refused} commands"


@row(
    done="Valkey is frozen, then down; an API process and a worker are restarted in order under"
    " each",
    holds="they stop with exit code 0 and start without it; messages go when it is back",
)
async def redis_away_at_restarts(stage: Stage) -> str | None:
    async with stage.load() as load:
        await load.took(40)
        stage.valkey.freeze()
        await stage.restart(stage.apis[0])
        await stage.restart(stage.workers[0])
        await load.took(40)
        stage.valkey.kill()
        await stage.valkey.ended()
        await stage.restart(stage.apis[1])
        await stage.restart(stage.workers[1])
        await load.took(40)
        await stage.valkey.open()
        await load.took(40)
    return None
