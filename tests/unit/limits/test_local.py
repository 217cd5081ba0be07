"""The local bucket against a second reckoning: credit that grows with time and pays for slots."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyline.limits.local import SWEEP_AT, LocalBuckets
from manyline.limits.models import BEAT, SECOND, Wanted, interval_of

NUMBERS = ("1", "2")
PEOPLE = ("+491", "+492", "IN.abc")
PAIR_INTERVAL, PAIR_BURST = 6 * SECOND, 5


class Ticks:
    """Microseconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_763_640_000_123_457

    def __call__(self) -> int:
        return self.now


@dataclass
class Credit:
    """Microseconds saved up, never more than `most`; a slot costs `price` of them."""

    price: int
    most: int
    saved: int
    at: int

    def waits(self, now: int) -> int:
        """How long until a slot can be paid."""
        self.saved = min(self.most, self.saved + now - self.at)
        self.at = now
        return max(0, self.price - self.saved)


class Model:
    """What a number at `rates` should be granted, by credit instead of arrival times."""

    def __init__(self, rates: dict[str, int], now: int) -> None:
        self.numbers = {}
        for number, rate in rates.items():
            price = interval_of(rate)
            self.numbers[number] = Credit(price, max(price, SECOND // 4), price, now)
        self.pairs: dict[tuple[str, str], Credit] = {}
        self.started = now

    def ask(self, number: str, recipients: list[str], now: int) -> list[float | None]:
        waits: list[float | None] = []
        for recipient in recipients:
            line = self.numbers[number]
            pair = self.pairs.setdefault(
                (number, recipient),
                Credit(PAIR_INTERVAL, PAIR_BURST * PAIR_INTERVAL, PAIR_BURST * PAIR_INTERVAL, now),
            )
            if line.waits(now):
                waits.append(None)
                continue
            wait = pair.waits(now)
            waits.append(wait / SECOND)
            if not wait:
                line.saved -= line.price
                pair.saved -= pair.price
        return waits


pauses = st.one_of(
    st.sampled_from([0, 1, 12_499, 12_500, 12_501, 250_000, 6 * SECOND]),
    st.integers(0, 40_000_000),
)
asks = st.lists(
    st.tuples(pauses, st.sampled_from(NUMBERS), st.lists(st.sampled_from(PEOPLE), max_size=30)),
    max_size=25,
)


@given(rate=st.integers(1, 1000), other=st.integers(1, 1000), asks=asks)
async def test_grants_are_those_of_the_model(
    rate: int, other: int, asks: list[tuple[int, str, list[str]]]
) -> None:
    ticks = Ticks()
    rates = dict(zip(NUMBERS, (rate, other), strict=True))
    buckets = LocalBuckets(share=1, pair_burst=PAIR_BURST, microseconds=ticks)
    model = Model(rates, ticks.now)
    for pause, number, recipients in asks:
        ticks.now += pause
        got = (await buckets.reserve({number: Wanted(rates[number], recipients)}))[number]
        assert list(got.waits) == model.ask(number, recipients, ticks.now)
        assert (got.retry_after > 0) == (None in got.waits)


@given(
    rate=st.integers(1, 1000),
    share=st.sampled_from([1, 4]),
    steps=st.lists(st.tuples(pauses, st.integers(0, 40), st.booleans()), max_size=40),
)
@settings(max_examples=200)
async def test_no_stretch_of_time_gets_more_than_the_rate_and_its_burst(
    rate: int, share: int, steps: list[tuple[int, int, bool]]
) -> None:
    ticks = Ticks()
    buckets = LocalBuckets(share=share, microseconds=ticks)
    granted: list[int] = []
    for step, (pause, slots, refused) in enumerate(steps):
        ticks.now += pause
        if refused:
            await buckets.slow_down("1")
        people = [f"{step}/{person}" for person in range(slots)]
        got = (await buckets.reserve({"1": Wanted(rate, people)}))["1"]
        slots_got = list(got.waits).count(0.0)
        assert not (refused and slots_got), "a slot in the second after a 130429"
        granted += [ticks.now] * slots_got
    price = interval_of(rate) * share
    burst = max(price, SECOND // 4)
    for first, start in enumerate(granted):
        for last in range(first, len(granted)):
            assert (last - first + 1) * price <= granted[last] - start + burst


async def granted_in(
    buckets: LocalBuckets, ticks: Ticks, seconds: float, rate: int, step: int = 5_000
) -> int:
    """Slots of number 1 for ever new people, asked for every 5 ms."""
    count = 0
    for _ in range(int(seconds * SECOND) // step):
        ticks.now += step
        people = [f"+{ticks.now}/{each}" for each in range(10)]
        got = await buckets.reserve({"1": Wanted(rate, people)})
        count += list(got["1"].waits).count(0.0)
    return count


async def test_a_quarter_of_the_rate_and_no_burst_at_first() -> None:
    ticks = Ticks()
    buckets = LocalBuckets(microseconds=ticks)
    first = await buckets.reserve({"1": Wanted(80, [f"+{each}" for each in range(50)])})
    assert list(first["1"].waits).count(0.0) == 1
    assert await granted_in(buckets, ticks, 10, 80) == 200


async def test_a_person_gets_five_and_then_one_every_six_seconds() -> None:
    ticks = Ticks()
    buckets = LocalBuckets(share=1, microseconds=ticks)
    ticks.now += SECOND
    waits = (await buckets.reserve({"1": Wanted(1000, ["+49"] * 7)}))["1"].waits
    assert list(waits) == [0.0] * 5 + [6.0, 6.0]
    ticks.now += 6 * SECOND - 1
    assert (await buckets.reserve({"1": Wanted(1000, ["+49"])}))["1"].waits[0] == 1e-6
    ticks.now += 1
    assert (await buckets.reserve({"1": Wanted(1000, ["+49"])}))["1"].waits[0] == 0.0


async def test_a_slot_is_taken_of_both_or_of_neither() -> None:
    ticks = Ticks()
    buckets = LocalBuckets(share=1, microseconds=ticks)
    ticks.now += SECOND
    # A burst of five. The number refuses the sixth: its pair keeps that slot.
    waits = list((await buckets.reserve({"1": Wanted(20, ["+49"] * 4 + ["+50"] * 2)}))["1"].waits)
    assert waits == [0.0] * 5 + [None]
    ticks.now += SECOND
    waits = list((await buckets.reserve({"1": Wanted(20, ["+50"] * 4)}))["1"].waits)
    assert waits == [0.0] * 4
    ticks.now += SECOND
    # The pairs refuse one each: the number keeps those slots for the third person.
    asked = ["+50", "+50", "+49", *["+51"] * 5, "+52"]
    waits = list((await buckets.reserve({"1": Wanted(20, asked)}))["1"].waits)
    assert waits == [4.0, 4.0, *[0.0] * 5, None, None]


@pytest.mark.parametrize(("times", "left"), [(1, 40), (2, 20), (3, 10), (4, 5), (7, 5)])
async def test_each_130429_halves_the_rate_down_to_a_sixteenth(times: int, left: int) -> None:
    ticks = Ticks()
    buckets = LocalBuckets(share=1, microseconds=ticks)
    for _ in range(times):
        ticks.now += SECOND
        for _call_in_flight in range(20):
            await buckets.slow_down("1")
            ticks.now += 1
    assert await granted_in(buckets, ticks, 0.995, 80) == 0
    assert await granted_in(buckets, ticks, 10, 80) == pytest.approx(10 * left, abs=1)


async def test_the_rate_doubles_back_every_thirty_seconds() -> None:
    ticks = Ticks()
    buckets = LocalBuckets(share=1, microseconds=ticks)
    for _ in range(3):
        await buckets.slow_down("1")
        ticks.now += SECOND
    seen = []
    for _ in range(5):
        ticks.now += 9 * SECOND
        await granted_in(buckets, ticks, 1, 80)  # What was saved up meanwhile.
        seen.append(await granted_in(buckets, ticks, 1, 80))
        ticks.now += 19 * SECOND
    assert seen == [10, 20, 40, 80, 80]


async def test_idle_buckets_are_forgotten_and_others_kept() -> None:
    ticks = Ticks()
    buckets = LocalBuckets(share=1, microseconds=ticks)
    await buckets.slow_down("slow")
    for round_ in range(20):
        ticks.now += 7 * SECOND if round_ < 16 else 0
        await buckets.reserve(
            {f"{round_}/{each}": Wanted(80, [f"+{each}"]) for each in range(SWEEP_AT // 10)}
        )
    assert len(buckets._pairs) + len(buckets._numbers) <= 2 * SWEEP_AT
    assert ("0/1", "+1") not in buckets._pairs
    assert "slow" not in buckets._numbers  # Its 30 s are over.
    assert ("19/1", "+1") in buckets._pairs


async def test_an_empty_start_takes_the_burst_and_gives_it_back_with_time() -> None:
    ticks = Ticks()
    buckets = LocalBuckets(share=1, microseconds=ticks)
    people = [f"+{each}" for each in range(40)]
    ticks.now += SECOND
    buckets.start_empty()
    assert list((await buckets.reserve({"1": Wanted(80, people)}))["1"].waits).count(0.0) == 1
    ticks.now += SECOND
    assert list((await buckets.reserve({"1": Wanted(80, people)}))["1"].waits).count(0.0) == 20


@given(
    digits=st.integers(0, 99),
    started=st.integers(0, SECOND),
    lateness=st.lists(st.integers(1_000, 20_000), min_size=7, max_size=7),
)
async def test_a_full_number_gets_its_rate_every_single_second(
    digits: int, started: int, lateness: list[int]
) -> None:
    """However late its jobs come, up to 20 ms, lateness does not add up from one to the next.

    A beat's slots go together, so seconds are counted from between two beats.
    """
    ticks = Ticks()
    ticks.now += started
    number = f"1065403522429{digits:02}"
    buckets = LocalBuckets(share=1, microseconds=ticks)
    first = ticks.now - (ticks.now - digits * 1_000) % BEAT - BEAT // 2
    seconds, rounds = [0] * 33, 0
    while (second := (ticks.now - first) // SECOND) < 33:
        people = [f"+{ticks.now}/{each}" for each in range(50)]
        got = (await buckets.reserve({number: Wanted(80, people)}))[number]
        seconds[second] += list(got.waits).count(0.0)
        ticks.now += round(got.retry_after * SECOND) + lateness[rounds % 7]
        rounds += 1
    assert rounds <= 33 * 11
    assert all(78 <= each <= 82 for each in seconds[2:]), seconds
