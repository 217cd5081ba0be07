"""The Lua itself on a real server, by a clock of the test's: same grants as the local bucket.

The local bucket is held to a model of its own; here the script is held to the local bucket.
"""

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from manyline.limits.buckets import Wanted, _parse
from manyline.limits.local import LocalBuckets
from manyline.limits.models import PAIR_BURST, SECOND, all_granted
from manyline.limits.scripts import RESERVE, SLOW_DOWN

CLOCK = "redis.call('TIME')"
TOLD = "{ARGV[2], ARGV[3]}"

# At 1,000 a second the pair is what refuses, at 20 the number.
rates = st.one_of(st.sampled_from([20, 80, 1000]), st.integers(1, 1000))
steps = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from([0, 1, 12_500, 250_000, 999_999, SECOND, 6 * SECOND, 31 * SECOND]),
            st.integers(0, 40 * SECOND),
        ),
        st.sampled_from(["1", "27"]),
        st.one_of(
            st.none(),  # A 130429 instead of a question.
            st.lists(st.sampled_from(["+491", "+492", "IN.abc"]), max_size=30),
            st.integers(1, 60).map(lambda times: ["+491"] * times),
        ),
    ),
    max_size=20,
)


class Scripts:
    """Both scripts under a clock that the test moves."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.now = 1_763_640_000_123_457

    def _run(self, text: str, argument: Any) -> Any:
        assert CLOCK in text
        now = divmod(self.now, SECOND)
        return self._redis.eval(text.replace(CLOCK, TOLD), 0, argument, *now)

    def reserve(self, wanted: dict[str, Wanted]) -> list[tuple[list[float | None], float]]:
        question = [(number, ask.per_second, ask.recipients) for number, ask in wanted.items()]
        answer = self._run(RESERVE, msgspec.msgpack.encode(question))
        if answer == 0:
            return [(list(all_granted(len(ask.recipients)).waits), 0.0) for ask in wanted.values()]
        return [(list(one.waits), one.retry_after) for one in _parse(wanted, answer).values()]

    def slow_down(self, number: str) -> None:
        self._run(SLOW_DOWN, number)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rates=st.tuples(rates, rates), steps=steps)
def test_grants_are_those_of_the_local_bucket(redis: Redis, rates: Any, steps: Any) -> None:
    redis.flushall()
    scripts = Scripts(redis)
    local = LocalBuckets(share=1, pair_burst=PAIR_BURST, microseconds=lambda: scripts.now)
    scripts.reserve({})  # Both count from now on.

    async def play() -> None:
        for pause, number, recipients in steps:
            scripts.now += pause
            if recipients is None:
                scripts.slow_down(number)
                await local.slow_down(number)
                continue
            other = "27" if number == "1" else "1"
            wanted = {
                number: Wanted(rates[0 if number == "1" else 1], recipients),
                other: Wanted(rates[0 if other == "1" else 1], recipients[:2]),
            }
            mine = [(list(r.waits), r.retry_after) for r in (await local.reserve(wanted)).values()]
            assert scripts.reserve(wanted) == mine

    asyncio.run(play())


def test_a_clock_that_goes_back_holds_nobody_for_longer_than_a_burst(redis: Redis) -> None:
    scripts = Scripts(redis)
    scripts.reserve({})
    scripts.now += 600 * SECOND
    scripts.reserve({"1": Wanted(80, ["+49"] * 20)})
    scripts.slow_down("1")
    scripts.reserve({"2": Wanted(80, ["+49"] * 20)})
    scripts.now -= 3600 * SECOND
    [(_, one), (_, two)] = scripts.reserve({n: Wanted(80, ["+50"] * 9) for n in ("1", "2")})
    assert max(one, two) <= 0.15
    scripts.now += SECOND // 4
    answers = scripts.reserve({n: Wanted(80, ["+51"] * 9) for n in ("1", "2")})
    assert all(waits == [0.0] * 9 for waits, _ in answers)


@pytest.mark.parametrize("rate", [1, 3, 7, 80, 999, 1000])
def test_no_digit_is_lost(redis: Redis, rate: int) -> None:
    """Stored times are whole microseconds of today: 16 digits."""
    scripts = Scripts(redis)
    scripts.reserve({})
    scripts.now += SECOND
    scripts.reserve({"1": Wanted(rate, ["+49"])})
    interval = -(-SECOND // rate)
    assert redis.get("manyline:rate:1") == str(scripts.now + interval)
    assert redis.get("manyline:pair:1:+49") == str(scripts.now + 6 * SECOND)
    assert redis.get("manyline:rate") == str(scripts.now - SECOND)
