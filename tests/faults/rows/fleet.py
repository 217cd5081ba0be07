"""Many processes: a flood that hangs, updates under load, two relays, a worker that was frozen."""

import asyncio
import time
from statistics import median

from tests.e2e.proof.talk import Talk
from tests.faults.processes import until
from tests.faults.row import row
from tests.faults.rows.calm import accepted_at
from tests.faults.stage import LEASE_SECONDS, Stage
from tests.faults.verdict import come_to_rest, departures, p95

FLOOD = 800
FLOOD_AT_ONCE = 40
HUNG = {"CALL_DEADLINE_SECONDS": "5", "LEASE_SECONDS": "10"}
HELD_UP_SECONDS = 2.5
"""The flood's calls hang for five: who waits for them waits longer than this."""
RELAY_TERM_SECONDS = 12.0


@row(
    done="one tenant sends 800 messages whose calls all hang for 5 s, as fast as they are taken",
    holds="nobody else waits: 95 % of the others' messages are POSTed within 2.5 s; of the flood"
    " in doubt are only those whose answer Meta withheld",
    doubts=True,
    environment=HUNG,
)
async def flood_that_hangs(stage: Stage) -> str:
    [loud] = await stage.register(1)
    flood = [Talk(loud, stage.new_customer()) for _ in range(FLOOD)]
    hang = {"fault": "hang", "match": {"phone_number_id": loud.number}}
    async with stage.load() as load:
        await load.took(40)
        stage.fault(hang)
        await _sent_at_once(stage, flood)
        await load.took(150)
        stage.no_more_faults()
    stage.talks += flood
    outcome = await come_to_rest(stage, doubts=True)
    others = [one for one in outcome.stored if one.tenant_id != loud.tenant_id]
    waits = departures(stage, others, await accepted_at(stage))
    said = f"others POSTed after {median(waits):.2f} s (median), {p95(waits):.2f} s (p95)"
    assert p95(waits) < HELD_UP_SECONDS, f"violated: nobody else waits: {said}"
    return said


async def _sent_at_once(stage: Stage, flood: list[Talk]) -> None:
    """Each once, so many at a time."""
    room = asyncio.Semaphore(FLOOD_AT_ONCE)

    async def send(talk: Talk) -> None:
        key = f"flood-{talk.customer}"
        url = f"{stage.url}/tenants/{talk.line.tenant_id}/send"
        body = {"to": f"+{talk.customer}", "text": f"news {key}", "idempotency_key": key}
        async with room, stage.session.post(url, json=body) as answer:
            given = await answer.json()
            assert answer.status == 200, given
            talk.sent(key, given["messageId"])

    await asyncio.gather(*(send(talk) for talk in flood))


@row(
    done="an update of everything under load: each API process, each worker, Valkey and mongod is"
    " stopped in order and started again, one after the other",
    holds="nothing is in doubt: who is asked to stop finishes what it began",
)
async def rolling_restart(stage: Stage) -> str | None:
    async with stage.load() as load:
        for process in (*stage.apis, *stage.workers):
            await load.took(10)
            await stage.restart(process)
        await load.took(10)
        await stage.valkey.stop()
        await stage.valkey.open()
        await load.took(10)
        [mongod] = stage.mongods.nodes
        await mongod.stop()
        mongod.start()
        await stage.mongods.writable()
        await load.took(40)
    return None


@row(
    done="every worker is the relay, ten times a second; one of them is killed with POSTs in"
    " flight, Redis is flushed",
    holds="two relays do what one does: no second POST, no doubt twice",
    change={"worker": "every-worker-relays"},
    environment={"RELAY_INTERVAL_SECONDS": "0.1"},
    doubts=True,
)
async def two_relays(stage: Stage) -> str | None:
    async with stage.load() as load:
        await load.took(30)
        await stage.busy(2)
        worker = stage.workers[0]
        stage.kill(worker)
        await worker.ended()
        await stage.start(worker)
        async with stage.valkey.client() as redis:
            await redis.flushall()
        await load.took(60)
    return None


@row(
    done="a worker stops (SIGSTOP) with POSTs in flight, is woken when its lease is over and others"
    " have taken its messages for doubtful",
    holds="it POSTs none of them again, and its late answers settle what they can",
    doubts=True,
)
async def frozen_past_its_lease(stage: Stage) -> str:
    worker = stage.workers[0]
    async with stage.load() as load:
        await load.took(30)
        await stage.busy(2)
        stage.note_kill(worker.name, owner=stage.owner(worker))
        worker.freeze()
        began = time.monotonic()
        await load.took(20)
        await leases_expired(stage)
        worker.thaw()
        seconds = time.monotonic() - began
        await load.took(30)
    return f"frozen for {seconds:.1f} s"


@row(
    done="a worker stops after its claim, before the POST, and is woken when the lease is over",
    holds="it does not POST: it looks at its lease first",
    armed=("worker",),
    doubts=True,
)
async def frozen_after_its_claim(stage: Stage) -> str:
    worker = stage.workers[0]
    async with stage.load() as load:
        await load.took(30)
        stage.arm(worker, "claim", "after", deed="freeze")
        kill = await stage.burnt(worker)
        await load.took(20)
        await leases_expired(stage)
        worker.thaw()
        seconds = time.time() - kill.at
        await load.took(30)
    return f"frozen for {seconds:.1f} s"


@row(
    done="a worker stops before its claim, and is woken when others have sent what it would claim",
    holds="its claim wins nothing",
    armed=("worker",),
    doubts=True,
    short=True,
)
async def frozen_before_its_claim(stage: Stage) -> str:
    worker = stage.workers[0]
    async with stage.load() as load:
        await load.took(30)
        stage.arm(worker, "claim", "before", deed="freeze")
        kill = await stage.burnt(worker)
        waiting = len(await accepted_at(stage))
        seconds = RELAY_TERM_SECONDS + LEASE_SECONDS + 15
        await until(
            lambda: len(stage.journal) >= waiting,
            seconds=seconds,
            what="another worker to send what was waiting",
        )
        await leases_expired(stage)
        worker.thaw()
        frozen = time.time() - kill.at
        await load.took(30)
    return f"frozen for {frozen:.1f} s"


async def leases_expired(stage: Stage) -> None:
    """Return when no message is under the lease of anybody who does not settle it."""
    await asyncio.sleep(LEASE_SECONDS)
    deadline = time.monotonic() + RELAY_TERM_SECONDS + LEASE_SECONDS
    async with stage.mongo() as client:
        messages = client.get_default_database()["messages"]
        since = await messages.find_one({"status": "sending"}, sort=[("statusAt.sending", 1)])
        oldest = since["_id"] if since else None
        while oldest is not None and time.monotonic() < deadline:
            one = await messages.find_one({"_id": oldest})
            oldest = oldest if one and one["status"] == "sending" else None
            await asyncio.sleep(0.1)
