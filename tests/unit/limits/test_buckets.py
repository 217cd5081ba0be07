"""Who asks Redis while it is lost, and what the others get: a stand-in for it, a clock to move."""

import asyncio
from typing import Any

import msgspec
import pytest
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, OutOfMemoryError, ReadOnlyError, TimeoutError

from manyline.limits.buckets import ASK_AGAIN_SECONDS, Buckets, Wanted
from manyline.limits.local import LocalBuckets


class Answers:
    """Plays Redis: says what it is told to, or raises it."""

    def __init__(self) -> None:
        self.says: Any = 0
        self.asked: list[tuple[Any, ...]] = []
        self.evaluated = 0
        self.hold: asyncio.Event | None = None

    async def evalsha(self, digest: str, keys: int, *args: Any) -> Any:
        assert (len(digest), keys) == (40, 0)
        self.asked.append(args)
        if self.hold is not None:
            await self.hold.wait()
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    async def eval(self, text: str, keys: int, *args: Any) -> Any:
        assert "redis.call('TIME')" in text
        self.evaluated += 1
        return 0


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


ONE = {"1": Wanted(80, ["+49"])}


@pytest.fixture
def redis() -> Answers:
    return Answers()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def buckets(redis: Answers, time: Time) -> Buckets:
    return Buckets(redis, local=LocalBuckets(share=1), monotonic=time)  # type: ignore[arg-type]


async def test_one_question_for_all_numbers_and_answers_in_its_order(
    redis: Answers, buckets: Buckets
) -> None:
    redis.says = [0, 0, 1_500_000, 140_000, 0, -1, 300_000, -1]
    wanted = {
        "1": Wanted(80, ["+49", "+50"]),
        "2": Wanted(20, ("+49", "+51")),
        "3": Wanted(5, ["+52"]),
    }
    got = await buckets.reserve(wanted)
    [(question,)] = redis.asked
    assert msgspec.msgpack.decode(question) == [
        ["1", 80, ["+49", "+50"]],
        ["2", 20, ["+49", "+51"]],
        ["3", 5, ["+52"]],
    ]
    assert [(list(each.waits), each.retry_after) for each in got.values()] == [
        ([0.0, 1.5], 0.0),
        ([0.0, None], 0.14),
        ([None], 0.3),
    ]


async def test_everything_granted_is_told_in_one_word(redis: Answers, buckets: Buckets) -> None:
    got = await buckets.reserve({"1": Wanted(80, ["+49", "+50"]), "2": Wanted(80, [])})
    assert {number: (list(each.waits), each.retry_after) for number, each in got.items()} == {
        "1": ([0.0, 0.0], 0.0),
        "2": ([], 0.0),
    }


async def test_a_forgotten_script_is_sent_again(redis: Answers, buckets: Buckets) -> None:
    redis.says = NoScriptError()
    assert (await buckets.reserve(ONE))["1"].waits == (0.0,)
    await buckets.slow_down("1")
    assert redis.evaluated == 2


@pytest.mark.parametrize(
    "error",
    [
        RedisConnectionError("no"),
        TimeoutError("late"),
        ReadOnlyError("a replica"),
        OutOfMemoryError("full"),
        OSError("no route"),
    ],
)
async def test_without_redis_the_local_bucket_answers_and_redis_is_left_alone(
    redis: Answers, buckets: Buckets, time: Time, error: Exception
) -> None:
    redis.says = error
    assert list((await buckets.reserve({"1": Wanted(80, ["+49", "+50"])}))["1"].waits) == [
        0.0,
        None,
    ]
    time.now += ASK_AGAIN_SECONDS - 0.01
    await buckets.reserve(ONE)
    await buckets.slow_down("1")
    assert len(redis.asked) == 1
    time.now += 0.01
    await buckets.reserve(ONE)
    assert len(redis.asked) == 2


async def test_one_asker_tries_again_while_the_others_are_answered_at_once(
    redis: Answers, buckets: Buckets, time: Time
) -> None:
    redis.says = TimeoutError("late")
    await buckets.reserve(ONE)
    time.now += ASK_AGAIN_SECONDS
    redis.hold = asyncio.Event()
    probe = asyncio.create_task(buckets.reserve(ONE))
    async with asyncio.timeout(5):
        while len(redis.asked) < 2:
            await asyncio.sleep(0)
        for _ in range(20):
            await buckets.reserve(ONE)
    assert len(redis.asked) == 2
    redis.says = 0
    redis.hold.set()
    await probe
    await buckets.reserve(ONE)
    assert len(redis.asked) == 3


async def test_each_change_is_told_once_and_names_no_number(
    redis: Answers, buckets: Buckets, time: Time
) -> None:
    with structlog.testing.capture_logs() as lines:
        redis.says = RedisConnectionError("redis.internal:6379 +49")
        for _ in range(3):
            await buckets.reserve(ONE)
            await buckets.slow_down("1")
            time.now += ASK_AGAIN_SECONDS
        redis.says = 0
        for _ in range(3):
            await buckets.reserve(ONE)
    assert [line["event"] for line in lines] == ["limits.redis_lost", "limits.redis_back"]
    assert lines[0]["error"] == "ConnectionError"
    assert "+49" not in str(lines)


async def test_a_late_answer_from_before_the_loss_does_not_end_it(
    redis: Answers, buckets: Buckets
) -> None:
    redis.hold = asyncio.Event()
    early = asyncio.create_task(buckets.reserve(ONE))
    async with asyncio.timeout(5):
        while not redis.asked:
            await asyncio.sleep(0)
    held, redis.hold = redis.hold, None
    redis.says = RedisConnectionError("no")
    await buckets.reserve(ONE)
    redis.says = 0
    held.set()
    await early
    await buckets.reserve(ONE)
    assert len(redis.asked) == 2


async def test_a_130429_without_redis_slows_the_local_bucket(
    redis: Answers, buckets: Buckets
) -> None:
    redis.says = RedisConnectionError("no")
    await buckets.slow_down("1")
    refused = (await buckets.reserve(ONE))["1"]
    assert list(refused.waits) == [None]
    assert 0.9 < refused.retry_after <= 1.0
