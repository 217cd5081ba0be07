"""Slots per number on a real Redis: never more than the rate, and a wait that is worth it."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from manyline.infra.redis import RedisServer, open_quick_redis
from manyline.limits.buckets import BURST_SECONDS, LimitsUnavailableError, NumberBuckets, Wanted


@pytest.fixture
async def buckets(servers: Any, redis: Any) -> AsyncIterator[NumberBuckets]:
    client = open_quick_redis(RedisServer(host=servers.redis_host, port=servers.redis_port))
    yield NumberBuckets(client)
    await client.aclose()


async def test_a_burst_of_a_quarter_second_and_then_the_rate(buckets: NumberBuckets) -> None:
    first = (await buckets.reserve({"1": Wanted(1000, 80)}))["1"]
    assert first.slots == 80 * BURST_SECONDS
    again = (await buckets.reserve({"1": Wanted(1000, 80)}))["1"]
    assert again.slots <= 2
    assert 0 < again.retry_after <= 0.11


async def test_numbers_do_not_share(buckets: NumberBuckets) -> None:
    granted = await buckets.reserve({"1": Wanted(5, 80), "2": Wanted(5, 1), "3": Wanted(100, 1000)})
    assert {number: each.slots for number, each in granted.items()} == {"1": 5, "2": 1, "3": 100}


async def test_a_slow_number_is_told_how_long_to_wait(buckets: NumberBuckets) -> None:
    assert (await buckets.reserve({"1": Wanted(3, 1)}))["1"].slots == 1
    refused = (await buckets.reserve({"1": Wanted(3, 1)}))["1"]
    assert refused.slots == 0
    assert 0.8 < refused.retry_after <= 1.0


@pytest.mark.parametrize("rate", [20, 80, 1000])
async def test_many_askers_never_get_more_than_the_rate(buckets: NumberBuckets, rate: int) -> None:
    started, granted = time.monotonic(), 0

    async def ask() -> None:
        nonlocal granted
        while time.monotonic() - started < 0.6:
            answer = (await buckets.reserve({"1": Wanted(7, rate)}))["1"]
            granted += answer.slots
            await asyncio.sleep(min(answer.retry_after, 0.05))

    await asyncio.gather(*(ask() for _ in range(8)))
    elapsed = time.monotonic() - started
    assert granted <= rate * (elapsed + BURST_SECONDS) + 1
    assert granted >= rate * 0.6 * 0.6


async def test_a_slot_not_used_comes_back_with_time_and_the_key_goes(
    buckets: NumberBuckets, redis: Any, eventually: Any
) -> None:
    await buckets.reserve({"1": Wanted(20, 80)})
    [key] = redis.keys("manyline:rate:*")
    assert 0 < redis.pttl(key) <= 1500

    async def whole_burst() -> bool:
        return (await buckets.reserve({"1": Wanted(1, 1000)}))["1"].slots == 1

    await eventually(whole_burst)


async def test_a_lost_redis_grants_nothing_and_says_so() -> None:
    client = open_quick_redis(RedisServer(host="127.0.0.1", port=1))
    with pytest.raises(LimitsUnavailableError):
        await NumberBuckets(client).reserve({"1": Wanted(1, 80)})
    await client.aclose()
