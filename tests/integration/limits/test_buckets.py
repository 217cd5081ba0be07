"""Slots on a real Valkey: never more than the rate over any askers, and what its loss costs."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any

import pytest
from redis.asyncio import Redis

from manyline.infra.redis import RedisServer, open_quick_redis
from manyline.limits.buckets import ASK_AGAIN_SECONDS, Buckets, Wanted

NUMBER_BURST = 0.25
people = map("+49{}".format, count(1_000_000))


def asks(rate: int, slots: int) -> Wanted:
    """For people who were never written to."""
    return Wanted(rate, [next(people) for _ in range(slots)])


def slots_of(reserved: Any) -> int:
    return list(reserved.waits).count(0.0)


@pytest.fixture
async def open_client(servers: Any, redis: Any) -> AsyncIterator[Callable[[], Redis]]:
    """Clients of the shared Valkey, one for each worker; it was not flushed a moment ago."""
    opened: list[Redis] = []

    def open_one() -> Redis:
        server = RedisServer(host=servers.redis_host, port=servers.redis_port)
        opened.append(open_quick_redis(server))
        return opened[-1]

    redis.set("manyline:rate", 1, px=60_000)
    yield open_one
    for client in opened:
        await client.aclose()


@pytest.fixture
def buckets(open_client: Callable[[], Redis]) -> Buckets:
    return Buckets(open_client())


async def test_a_burst_of_a_quarter_second_and_then_the_rate(buckets: Buckets) -> None:
    first = (await buckets.reserve({"1": asks(80, 1000)}))["1"]
    assert slots_of(first) == 80 * NUMBER_BURST
    assert first.waits[19:21] == [0.0, None]
    again = (await buckets.reserve({"1": asks(80, 1000)}))["1"]
    assert slots_of(again) <= 2
    assert 0.05 <= again.retry_after <= 0.15


async def test_numbers_do_not_share(buckets: Buckets) -> None:
    got = await buckets.reserve({"1": asks(80, 5), "2": asks(1, 5), "3": asks(1000, 100)})
    assert {number: slots_of(each) for number, each in got.items()} == {"1": 5, "2": 1, "3": 100}
    assert got["1"].retry_after == got["3"].retry_after == 0.0
    assert 0.9 < got["2"].retry_after <= 1.0


async def test_a_person_gets_forty_five_from_each_number_and_then_one_every_six_seconds(
    buckets: Buckets, redis: Any
) -> None:
    waits = (await buckets.reserve({"1": Wanted(1000, ["+49"] * 46)}))["1"].waits
    assert list(waits[:45]) == [0.0] * 45
    assert 5.5 < (waits[45] or 0) <= 6.0
    other = await buckets.reserve({"2": Wanted(1000, ["+49"] * 45)})
    assert slots_of(other["2"]) == 45
    assert 264_000 < redis.pttl("manyline:pair:1:+49") <= 270_001
    # Seven seconds later one has come back.
    pulled = int(redis.get("manyline:pair:1:+49")) - 7_000_000
    redis.set("manyline:pair:1:+49", pulled, px=263_000)
    waits = (await buckets.reserve({"1": Wanted(1000, ["+49"] * 2)}))["1"].waits
    assert waits[0] == 0.0
    assert 4.0 < (waits[1] or 0) <= 5.0


async def test_a_slot_is_taken_of_both_or_of_neither(buckets: Buckets, redis: Any) -> None:
    await buckets.reserve({"1": Wanted(1000, ["+49"] * 45)})
    before, pair = redis.get("manyline:rate:1"), redis.get("manyline:pair:1:+49")
    refused = (await buckets.reserve({"1": Wanted(1000, ["+49"])}))["1"]
    assert (refused.waits[0] or 0) > 5
    assert refused.retry_after == 0.0
    assert redis.get("manyline:rate:1") == before
    assert redis.get("manyline:pair:1:+49") == pair
    await buckets.reserve({"2": asks(20, 5)})
    dry = (await buckets.reserve({"2": Wanted(20, ["+50"])}))["2"]
    assert list(dry.waits) == [None]
    assert not redis.exists("manyline:pair:2:+50")


@pytest.mark.parametrize("rate", [20, 80, 1000])
async def test_many_askers_never_get_more_than_the_rate_nor_much_less(
    open_client: Callable[[], Redis], rate: int
) -> None:
    workers = [Buckets(open_client()) for _ in range(3)]
    started, granted, ended = time.monotonic(), 0, 0.0

    async def ask(buckets: Buckets) -> None:
        nonlocal granted, ended
        while time.monotonic() - started < 2:
            answer = (await buckets.reserve({"1": asks(rate, 50)}))["1"]
            granted += slots_of(answer)
            ended = time.monotonic()
            await asyncio.sleep(answer.retry_after)

    await asyncio.gather(*(ask(buckets) for buckets in workers for _ in range(3)))
    # Slots from the last answer until now were not asked for.
    assert granted <= rate * (ended - started + NUMBER_BURST) + 1
    assert granted >= rate * (ended - started) - 1


async def test_a_130429_is_seen_by_every_worker_and_wears_off(
    open_client: Callable[[], Redis], redis: Any
) -> None:
    one, other = Buckets(open_client()), Buckets(open_client())
    await asyncio.gather(*(one.slow_down("1") for _ in range(30)))
    refused = (await other.reserve({"1": asks(80, 5)}))["1"]
    assert slots_of(refused) == 0
    assert 0.8 < refused.retry_after <= 1.0
    arrival, halvings, since = map(int, redis.get("manyline:rate:1").split())
    assert halvings == 1
    assert 30_000 < redis.pttl("manyline:rate:1") <= 31_000

    def seconds_ago(seconds: float) -> None:
        past = since - int(seconds * 1_000_000)
        redis.set("manyline:rate:1", f"{min(arrival, past)} {halvings} {past}", px=60_000)

    seconds_ago(20)
    assert slots_of((await other.reserve({"1": asks(80, 50)}))["1"]) == 10
    assert redis.get("manyline:rate:1").split()[1] == "1"
    seconds_ago(31)
    assert slots_of((await other.reserve({"1": asks(80, 50)}))["1"]) == 20
    assert redis.get("manyline:rate:1").isdigit()


async def test_a_flush_gives_nobody_a_second_burst(buckets: Buckets, redis: Any) -> None:
    assert slots_of((await buckets.reserve({"1": asks(80, 50)}))["1"]) == 20
    redis.flushall()
    again = await buckets.reserve({"1": asks(80, 50), "2": asks(80, 50)})
    assert slots_of(again["1"]) == slots_of(again["2"]) == 1


async def test_a_server_that_forgot_the_script_gets_it_again(buckets: Buckets, redis: Any) -> None:
    await buckets.reserve({"1": asks(80, 1)})
    redis.script_flush()
    assert slots_of((await buckets.reserve({"1": asks(80, 50)}))["1"]) >= 19


async def test_every_key_expires(buckets: Buckets, redis: Any) -> None:
    await buckets.reserve({"1": asks(80, 3), "2": Wanted(1, ["+49", "+49"])})
    await buckets.reserve({"1": Wanted(80, ["+49"] * 3)})
    await buckets.slow_down("3")
    keys = redis.keys("*")
    assert len(keys) == 9
    assert all(redis.pttl(key) > 0 for key in keys)
    assert redis.pttl("manyline:rate:1") <= 1_250


async def test_a_redis_that_hangs_delays_one_asker_and_is_found_again(
    servers: Any, open_client: Callable[[], Redis], redis: Any
) -> None:
    moved = 0.0
    client = open_client()
    client.connection_pool.connection_kwargs.update(socket_timeout=0.2)
    buckets = Buckets(client, monotonic=lambda: time.monotonic() + moved)
    assert slots_of((await buckets.reserve({"1": asks(80, 50)}))["1"]) == 20
    redis.client_pause(1_500)
    assert slots_of((await buckets.reserve({"1": asks(80, 50)}))["1"]) == 1
    started = time.monotonic()
    for number in range(100):
        got = await buckets.reserve({f"2{number}": asks(1000, 1)})
        assert slots_of(got[f"2{number}"]) == 1
    assert time.monotonic() - started < 0.2
    await asyncio.to_thread(redis.ping)  # Answered when the pause is over.
    moved = ASK_AGAIN_SECONDS
    await buckets.reserve({"3": asks(80, 5)})
    assert redis.exists("manyline:rate:3")


async def test_no_redis_at_all() -> None:
    client = open_quick_redis(RedisServer(host="127.0.0.1", port=1))
    buckets = Buckets(client)
    got = await buckets.reserve({"1": asks(80, 5)})
    assert slots_of(got["1"]) == 1
    await buckets.slow_down("1")
    await client.aclose()
