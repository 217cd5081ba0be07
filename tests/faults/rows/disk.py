"""A disk that is full: MongoDB's, the primary's of three, Valkey's, the one that logs go to.

Nothing else writes: without `manyline up`, api and worker keep no file.
"""

import asyncio
import shutil
import time
from contextlib import suppress

from pymongo.errors import PyMongoError

from tests.faults.probe import FAILOVER_SECONDS, open_probe
from tests.faults.processes import Process
from tests.faults.row import row
from tests.faults.rows.redis import taken_meanwhile
from tests.faults.stage import Stage

ABORTED = -6
"""What mongod does when a write of its storage engine fails: SIGABRT."""
OUT_OF_ROOM_SECONDS = 90.0
"""A checkpoint comes once a minute, and needs room."""
MONGOD_MB, VALKEY_MB, LOGS_MB = 128, 32, 1


@row(
    done="the only mongod's disk fills up under load with POSTs in flight; at its next checkpoint"
    " it aborts, and again when it is started; then there is room, and it is started once more",
    holds="from its end on every webhook and every send is answered 503 with Retry-After; what was"
    " answered 200 on the full disk is there; none in doubt",
    disks={"mongo-1": MONGOD_MB},
    by_hand=True,
)
async def mongod_disk_full(stage: Stage) -> str:
    [mongod], disk = stage.mongods.nodes, stage.disks["mongo-1"]
    async with stage.load() as load:
        await load.took(60)
        probe = await open_probe(stage)
        await stage.busy(2)
        taken = load.taken
        disk.fill()
        seconds = await _aborts(stage, 0)
        taken = load.taken - taken
        mongod.start()
        said = await probe.while_away(stage)
        assert await mongod.ended() == ABORTED, "it lives on a full disk: the row proves nothing"
        disk.clear()
        mongod.start()
        await stage.mongods.writable()
        await probe.taken_at_last(stage)
        await load.took(60, seconds=FAILOVER_SECONDS)
    return f"aborted after {seconds:.1f} s, {taken} taken until then; after that {said}"


@row(
    done="the disk of the primary of three fills up under load with POSTs in flight; it aborts,"
    " and is started again when there is room",
    holds="another takes over; none in doubt",
    nodes=3,
    disks={f"mongo-{place}": MONGOD_MB for place in (1, 2, 3)},
    by_hand=True,
)
async def primary_disk_full(stage: Stage) -> str:
    async with stage.load() as load:
        await load.took(60)
        place = await stage.mongods.primary()
        primary, disk = stage.mongods.nodes[place], stage.disks[f"mongo-{place + 1}"]
        await stage.busy(2)
        disk.fill()
        seconds = await _aborts(stage, place)
        await load.took(60, seconds=FAILOVER_SECONDS)
        disk.clear()
        primary.start()
        await stage.mongods.writable()
        await load.took(60, seconds=FAILOVER_SECONDS)
    return f"aborted after {seconds:.1f} s"


async def _aborts(stage: Stage, place: int) -> float:
    """The end of this mongod; after how many seconds.

    It is asked for a checkpoint again and again: of its own it makes one a minute.
    """
    mongod, began = stage.mongods.nodes[place], time.monotonic()
    async with stage.mongods.client_of(place) as client:
        while mongod.alive and time.monotonic() < began + OUT_OF_ROOM_SECONDS:
            with suppress(PyMongoError):
                await client.admin.command("fsync")
            await asyncio.sleep(0.2)
    assert await mongod.ended() == ABORTED, "it did not end as it does on a full disk"
    return time.monotonic() - began


@row(
    done="Valkey's disk is full for 10 s: its append-only file cannot be written, and it refuses"
    " every write",
    holds="all are answered 200 meanwhile, and their messages go when there is room again",
    disks={"valkey": VALKEY_MB},
    by_hand=True,
)
async def valkey_disk_full(stage: Stage) -> str:
    disk = stage.disks["valkey"]
    async with stage.load() as load, stage.valkey.client() as redis:
        await load.took(60)
        disk.fill()
        said = await taken_meanwhile(load)
        refused = (await redis.info("errorstats")).get("errorstat_MISCONF", {}).get("count", 0)
        assert refused, "it refused nothing: the row proves nothing"
        disk.clear()
        await load.took(60)
    return f"{said}; it refused {refused} commands"


@row(
    done="the disk that api and worker log to is full for 10 s",
    holds="all are answered 200 meanwhile and their messages go; only lines of the log are missing",
    disks={"small": LOGS_MB},
    by_hand=True,
)
async def log_disk_full(stage: Stage) -> str:
    disk, logging = stage.disks["small"], [*stage.apis, *stage.workers]
    for process in logging:
        await _log_to(stage, process, "small")
    try:
        async with stage.load() as load:
            await load.took(60)
            disk.fill()
            said = await taken_meanwhile(load)
            disk.clear()
            await load.took(60)
    finally:
        for process in logging:
            shutil.copy(process.log, stage.directory / "logs" / f"{process.name}-small.log")
    return said


async def _log_to(stage: Stage, process: Process, directory: str) -> None:
    """From its next life on, which begins now."""
    assert await process.stop() == 0
    process.log = stage.directory / directory / process.log.name
    await stage.start(process)
