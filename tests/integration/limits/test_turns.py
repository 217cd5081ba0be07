"""One drain of a number at a time, over all workers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from manyline.infra.redis import RedisServer, open_quick_redis
from manyline.limits.turns import Turns


@pytest.fixture
async def turns(servers: Any, redis: Any) -> AsyncIterator[Turns]:
    client = open_quick_redis(RedisServer(host=servers.redis_host, port=servers.redis_port))
    yield Turns(client)
    await client.aclose()


async def test_one_has_the_turn_and_gives_it_back(turns: Turns, redis: Any) -> None:
    async with turns.at("1") as first:
        async with turns.at("1") as second, turns.at("2") as other:
            assert (first, second, other) == (True, False, True)
        async with turns.at("1") as third:
            assert not third, "the second did not give back what it never had"
    async with turns.at("1") as again:
        assert again
    assert redis.keys("manyline:turn:*") == []


async def test_who_dies_with_it_holds_it_for_a_second_at_most(
    turns: Turns, redis: Any, eventually: Any
) -> None:
    redis.set("manyline:turn:1", "1", nx=True, px=300)

    async def free() -> bool:
        async with turns.at("1") as ours:
            return ours

    assert not await free()
    await eventually(free, within=2)


async def test_without_redis_everybody_goes(unused_tcp_port: int) -> None:
    client = open_quick_redis(RedisServer(host="127.0.0.1", port=unused_tcp_port))
    turns = Turns(client)
    async with turns.at("1") as first, turns.at("1") as second:
        assert first
        assert second
    await client.aclose()
