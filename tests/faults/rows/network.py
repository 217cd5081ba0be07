"""A network that is cut: packets vanish, nobody is refused, no connection ends."""

import asyncio
import time

from tests.faults.hosts import META
from tests.faults.probe import FAILOVER_SECONDS, open_probe
from tests.faults.processes import Process, until
from tests.faults.row import row
from tests.faults.rows.fleet import leases_expired
from tests.faults.rows.redis import taken_meanwhile
from tests.faults.stage import Stage
from tests.faults.verdict import IN_DOUBT

CUT_SECONDS = 12.0
"""Nobody waits for an answer longer than 10 s."""
LONGER_SECONDS = 10.0
"""By how much at most a cut outlasts a lease; the seed draws it."""
API_CUT_SECONDS = 25.0
"""So that it is asked again when it knows."""
LATE_ANSWER_SECONDS = 30.0
"""An answer that could not be written down is tried again within ten or so."""
LATE_SECONDS = 60.0
"""The kernel tries again what was not acknowledged, at longer and longer intervals."""


@row(
    done="the primary of three is cut off from everybody with POSTs in flight, for 12 s and more;"
    " and the next one only until there is another",
    holds="the others elect one; none in doubt; what the old primary was still asked to do is"
    " undone, and was told nobody as done",
    nodes=3,
    network=True,
    by_hand=True,
)
async def primary_cut_off(stage: Stage) -> str:
    seen = []
    async with stage.load() as load:
        for seconds in (CUT_SECONDS, 0.0):
            await load.took(40, seconds=FAILOVER_SECONDS)
            primary = await stage.mongods.primary()
            await stage.busy(2)
            began = time.monotonic()
            stage.network.cut_off(f"mongod-{primary + 1}")
            await stage.mongods.primary(besides=primary)
            elected = time.monotonic() - began
            await asyncio.sleep(seconds)
            if seconds:
                await load.took(60, seconds=FAILOVER_SECONDS)
            seen.append(f"{elected:.1f} s, healed after {time.monotonic() - began:.1f} s")
            stage.network.heal()
        await load.took(60, seconds=FAILOVER_SECONDS)
    return f"another led after {'; after '.join(seen)}"


@row(
    done="Valkey is cut off from everybody for 10 s",
    holds="all are answered 200 meanwhile, and their messages go when it is heard again",
    network=True,
    by_hand=True,
)
async def valkey_cut_off(stage: Stage) -> str:
    async with stage.load() as load:
        await load.took(60)
        await stage.busy(2)
        stage.network.cut_off("valkey")
        said = await taken_meanwhile(load)
        stage.network.heal()
        await load.took(60)
    return said


@row(
    done="an API process is cut from MongoDB alone, for 25 s",
    holds="it answers every webhook and every send 503 with Retry-After; the other takes them; none"
    " in doubt",
    network=True,
    by_hand=True,
)
async def api_cut_from_mongo(stage: Stage) -> str:
    async with stage.load() as load:
        await load.took(60)
        probe = await open_probe(stage, api=stage.apis[0])
        stage.network.cut("api-1", "mongod-1")
        said = await probe.while_away(stage, seconds=API_CUT_SECONDS)
        await load.took(30)
        stage.network.heal()
        await probe.taken_at_last(stage)
        await load.took(60, seconds=FAILOVER_SECONDS)
    return said


@row(
    done="a worker is cut from MongoDB alone with POSTs in flight, past its lease: others take its"
    " messages for doubtful, while Meta's answers reach it; no statuses",
    holds="nobody POSTs a message twice; when it is healed its late answers settle every message"
    " that was in doubt, within half a minute",
    network=True,
    by_hand=True,
    simulated={"statuses": []},
)
async def worker_cut_from_mongo(stage: Stage) -> str:
    async with stage.load() as load:
        await load.took(30)
        await _cut_while_busy(stage, stage.workers[0], "mongod-1")
        began = time.monotonic()
        await load.took(20)
        await leases_expired(stage)
        # Until just then, or until long after every wait for an answer has ended.
        await asyncio.sleep(stage.dice.uniform(0, LONGER_SECONDS))
        seconds = time.monotonic() - began
        stage.network.heal()
        healed = time.monotonic()
        await load.took(60)
    doubted = await _none_in_doubt(stage)
    waited = time.monotonic() - healed
    return f"cut for {seconds:.1f} s; {doubted} were in doubt, the last until {waited:.1f} s after"


@row(
    done="a worker is cut from Graph alone with POSTs in flight, for 12 s",
    holds="it sends later what never left; in doubt, until Meta's statuses tell, is at most one"
    " message for each connection that was open when the cut came",
    network=True,
    by_hand=True,
    doubts=True,
)
async def worker_cut_from_graph(stage: Stage) -> str:
    worker = stage.workers[0]
    async with stage.load() as load:
        await load.took(30)
        await _cut_while_busy(stage, worker, META)
        connections = _of_no_use(stage, worker)
        await asyncio.sleep(CUT_SECONDS)
        stage.network.heal()
        await load.took(60)
    await _nothing_under_way(stage, worker)
    doubted = await _were_in_doubt(stage)
    said = f"{connections} connections were open, {doubted} messages in doubt for a while"
    assert doubted <= connections, f"violated: in doubt is at most what was in flight: {said}"
    return said


@row(
    done="a worker is cut off from everybody with POSTs in flight, past its lease; no statuses",
    holds="it POSTs nothing that others have taken over; in doubt is at most what was in flight",
    network=True,
    by_hand=True,
    doubts=True,
    simulated={"statuses": []},
)
async def worker_cut_off(stage: Stage) -> str:
    worker = stage.workers[0]
    async with stage.load() as load:
        await load.took(30)
        await _cut_while_busy(stage, worker, None)
        began = time.monotonic()
        await load.took(20)
        await leases_expired(stage)
        # Until just then, or until long after every wait for an answer has ended.
        await asyncio.sleep(stage.dice.uniform(0, LONGER_SECONDS))
        seconds = time.monotonic() - began
        stage.network.heal()
        await load.took(60)
    await _nothing_under_way(stage, worker)
    return f"cut for {seconds:.1f} s; {await _were_in_doubt(stage)} messages in doubt for a while"


async def _cut_while_busy(stage: Stage, worker: Process, other: str | None) -> None:
    """Cut it from another, or from all, with POSTs in flight."""
    await stage.busy(2)
    stage.note_kill(worker.name, owner=stage.owner(worker))
    if other is None:
        stage.network.cut_off(worker.name)
    else:
        stage.network.cut(worker.name, other)


def _of_no_use(stage: Stage, worker: Process) -> int:
    """The connections to Graph that were open at the cut, which has just come.

    Each may swallow one POST, of which Meta hears late or never.
    """
    count = stage.network.connections(worker.name, META)
    stage.unread += count
    return count


async def _nothing_under_way(stage: Stage, worker: Process) -> None:
    """What was written before the heal has arrived, or is given up."""
    await until(
        lambda: not stage.network.connections(worker.name, META, "fin-wait-1"),
        seconds=LATE_SECONDS,
        what="what was under way to Meta to arrive",
        poll=0.2,
    )


async def _none_in_doubt(stage: Stage) -> int:
    """Return when no message is in doubt any more: how many ever were."""
    deadline = time.monotonic() + LATE_ANSWER_SECONDS
    async with stage.mongo() as client:
        messages = client.get_default_database()["messages"]
        while left := await messages.count_documents({"status": "in_doubt"}):
            assert time.monotonic() < deadline, f"violated: late answers settle: {left} in doubt"
            await asyncio.sleep(0.1)
    return await _were_in_doubt(stage)


async def _were_in_doubt(stage: Stage) -> int:
    async with stage.mongo() as client:
        messages = client.get_default_database()["messages"]
        return int(await messages.count_documents({"history.event": IN_DOUBT}))
