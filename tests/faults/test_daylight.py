"""A day is drawn as it is meant to be, and who grows during it is noticed."""

import random
from collections import Counter, defaultdict

import pytest

from tests.faults.daylight import KINDS, Act, Curve, busiest, content, day
from tests.faults.footprint import MB, Allowance, Footprint, Sample

SECONDS = 1728.0
MESSAGES = 20_000
ALLOWED = Allowance(resident=8 * MB, descriptors=10)


@pytest.fixture(scope="module")
def acts() -> list[Act]:
    return day(random.Random(1), tenants=40, messages=MESSAGES, seconds=SECONDS)[1]


def test_a_day_is_about_as_long_and_as_full_as_asked_for(acts: list[Act]) -> None:
    said = [act for act in acts if act.kind]
    assert 0.9 * MESSAGES < len(said) < 1.1 * MESSAGES
    assert [act.at for act in acts] == sorted(act.at for act in acts)
    assert 0 <= acts[0].at < 0.1 * SECONDS
    assert 0.95 * SECONDS < acts[-1].at <= SECONDS


def test_the_same_seed_draws_the_same_day() -> None:
    def drawn(seed: int) -> list[Act]:
        return day(random.Random(seed), tenants=3, messages=300, seconds=60)[1]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


def test_nights_are_quiet_and_peaks_are_not(acts: list[Act]) -> None:
    by_hour = Counter(int(act.at / SECONDS * 24) for act in acts)
    mean = len(acts) / 24
    assert all(by_hour[hour] < mean / 3 for hour in (1, 2, 3))
    assert max(by_hour[hour] for hour in range(8, 13)) > 1.5 * mean
    assert max(by_hour[hour] for hour in range(17, 23)) > 1.5 * mean
    assert busiest(acts, within=SECONDS / 24) == max(by_hour.values()) / (SECONDS / 24)


def test_peaks_move_with_the_seed() -> None:
    assert Curve(random.Random(1)).peaks != Curve(random.Random(2)).peaks


def test_a_customer_is_one_tenants_and_some_return(acts: list[Act]) -> None:
    tenants, times = defaultdict(set), defaultdict(list)
    for act in acts:
        tenants[act.customer].add(act.tenant)
        times[act.customer].append(act.at)
    assert {len(found) for found in tenants.values()} == {1}
    assert len({act.tenant for act in acts}) == 40
    assert sum(max(found) - min(found) > SECONDS / 4 for found in times.values()) > 500


def test_every_kind_and_every_kind_of_copy_comes(acts: list[Act]) -> None:
    assert {act.kind for act in acts} == {*KINDS, ""}
    assert {act.copies for act in acts if act.kind} == {"one", "again", "at once"}
    assert {act.copies for act in acts if not act.kind} == {"one", "again"}


def test_a_reaction_is_to_a_message_and_the_rest_is_to_none() -> None:
    assert content("reaction", "wamid.x")["reaction"]["message_id"] == "wamid.x"
    assert "message_id" not in content("image", "wamid.x")["image"]


def footprint(*, grows: float = 0, opens: float = 0) -> Footprint:
    """Over one time; it fills up in the first quarter, as caches do, then goes on by so much."""
    samples = [
        Sample(
            share / 400,
            int(90 * MB + min(share, 100) * MB / 5 + grows * share / 400),
            int(30 + opens * share / 400),
        )
        for share in range(401)
    ]
    return Footprint("api-1", samples)


def test_caches_that_fill_in_the_first_quarter_are_flat() -> None:
    assert footprint().wrong(ALLOWED, messages=50_000) == []
    assert "api-1 110, 110, 110 MB (+0.0), descriptors 30 to 30, at most 30" in footprint().told


def test_a_kilobyte_kept_of_each_message_is_noticed() -> None:
    messages = 27_000
    [line] = footprint(grows=2 * messages * 1024).wrong(ALLOWED, messages=messages)
    assert line.startswith("api-1 grew by 26.")
    assert "1000 KB for each 1,000 messages" in line


def test_descriptors_left_open_are_noticed() -> None:
    [line] = footprint(opens=60).wrong(ALLOWED, messages=50_000)
    assert "30 more descriptors" in line
