"""What got lost on the way is found: wake-ups, workers, Redis itself."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

ONE = "111111111111111"


@pytest.fixture(autouse=True)
def impatient_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is overdue for five seconds in production is so here after a third of one."""
    monkeypatch.setattr("manyline.sending.relay.OVERDUE", timedelta(seconds=0.3))


async def test_after_flushall_the_relay_rebuilds_everything(
    backend: Any, simulator: Any, redis: Any, eventually: Any
) -> None:
    tenants = [await backend.register(str(n) * 6) for n in range(1, 4)]
    ids = [
        (tenant_id, await backend.sent(tenant_id, to=f"+9190123400{n:02}"))
        for tenant_id in tenants
        for n in range(20)
    ]
    assert redis.dbsize() > 0
    redis.flushall()
    await backend.start_worker()
    for tenant_id, each in ids:
        await backend.until_status(tenant_id, each, "read")
    assert simulator.journal.summary()["doubled"] == []


async def test_flushall_under_load_loses_nothing_and_doubles_nothing(
    backend: Any, simulator: Any, redis: Any, eventually: Any
) -> None:
    tenant_id = await backend.register()
    await backend.start_worker()
    ids: list[str] = []
    for n in range(6):
        ids += await asyncio.gather(
            *(backend.sent(tenant_id, to=f"+9190123{n}{m:03}0") for m in range(20))
        )
        redis.flushall()
    for each in ids:
        await backend.until_status(tenant_id, each, "read")
    assert simulator.journal.summary()["doubled"] == []


async def test_a_worker_that_died_in_mid_call_leaves_a_doubt_and_no_second_post(
    backend: Any, simulator: Any, database: Any, eventually: Any
) -> None:
    """The claim is there, its worker is not: the lease ends, and the next in line goes."""
    tenant_id = await backend.register()
    first, second = [await backend.sent(tenant_id, text=text) for text in "ab"]
    message = await database.messages.find_one({"_id": ObjectId(first)})
    past = message["createdAt"] - timedelta(minutes=1)
    claimed = {
        "status": "sending",
        "statusRank": 1,
        "statusAt.sending": past,
        "lease": {"owner": "worker_dead/1", "expiresAt": past},
        "dueAt": past,
    }
    await database.messages.update_one({"_id": message["_id"]}, {"$set": claimed})
    await backend.start_worker()
    doubted = await backend.until_status(tenant_id, first, "in_doubt")
    assert "stopped before" in doubted["error"]["title"]
    await backend.until_status(tenant_id, second, "read")
    assert [e.body for e in simulator.journal.entries] == ["b"]


async def test_an_orderly_stop_leaves_nothing_in_doubt_that_had_its_answer(
    backend: Any, simulator: Any, eventually: Any
) -> None:
    from contextlib import AsyncExitStack

    tenant_id = await backend.register()
    simulator.set_faults({"fault": {"kind": "late", "seconds": 0.2}})
    ids = [await backend.sent(tenant_id, to=f"+9190123400{n:02}") for n in range(30)]
    worker_life = AsyncExitStack()
    backend._stack, kept = worker_life, backend._stack
    await backend.start_worker()
    await eventually(lambda: len(simulator.journal.entries) >= 5)
    await worker_life.aclose()
    backend._stack = kept
    statuses = {m["status"] for m in await backend.messages(tenant_id)}
    assert statuses <= {"queued", "sent", "delivered", "read"}
    posted = len(simulator.journal.entries)
    simulator.faults.clear()
    await backend.start_worker()
    for each in ids:
        await backend.until_status(tenant_id, each, "read")
    assert len(simulator.journal.entries) == 30
    assert posted <= 30


async def test_redis_away_delays_no_webhook_and_no_send(
    open_backend: Any, unused_port: int, webhook_of: Any, text_message: Any, eventually: Any
) -> None:
    backend = await open_backend(redis_host="127.0.0.1", redis_port=unused_port)
    tenant_id = await backend.register()
    loop = asyncio.get_running_loop()
    started = loop.time()
    answers = await asyncio.gather(
        *(backend.webhook(webhook_of(messages=[text_message()])) for _ in range(10)),
        *(backend.send(tenant_id) for _ in range(10)),
    )
    assert {answer.status for answer in answers} == {200}
    assert loop.time() - started < 2.0
    ready = await backend.call("GET", "/health/ready")
    assert (ready.status, ready.body["checks"]["redis"]["state"]) == (200, "down")


@pytest.mark.parametrize("rate", [20, 80])
async def test_the_rate_of_a_number_is_held_by_two_workers(
    backend: Any, simulator: Any, eventually: Any, rate: int
) -> None:
    settings = {"limits": {"messagesPerSecond": rate}}
    tenant_id = await backend.register(settings=settings)
    count = rate * 2 + rate // 4
    await asyncio.gather(*(backend.sent(tenant_id, to=f"+91901234{n:04}") for n in range(count)))
    await backend.start_worker()
    await backend.start_worker()
    await eventually(lambda: len(simulator.journal.entries) >= count, within=20)
    times = sorted(entry.at for entry in simulator.journal.entries)
    # In any second: what the rate allows, the burst of a quarter second, and a little noise.
    for at, first in enumerate(times):
        within = sum(first <= moment < first + 1.0 for moment in times[at:])
        assert within <= rate * 1.25 + 3
    # And it is used: two seconds' worth takes about two seconds.
    assert times[-1] - times[0] < 4.0
    assert simulator.journal.summary()["doubled"] == []
