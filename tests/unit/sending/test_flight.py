"""Places in flight: a number has its share, and who waits for a place is told of one."""

import asyncio

import pytest

from manyline.sending.flight import FEWEST_PER_NUMBER, SECONDS_IN_FLIGHT, Flight


class Room:
    def __init__(self, capacity: int) -> None:
        self.told: list[str] = []
        self.flight = Flight(capacity=capacity, on_room=self.told.append)


def test_a_number_gets_its_share_and_no_more() -> None:
    flight = Room(1000).flight
    assert flight.take("a", 500, per_second=80) == 80 * SECONDS_IN_FLIGHT
    assert flight.take("a", 1, per_second=80) == 0
    assert flight.take("b", 10, per_second=80) == 10
    assert flight.total == 170


def test_a_slow_number_has_a_few_places_and_a_fast_one_a_quarter_at_most() -> None:
    flight = Room(1000).flight
    assert flight.take("slow", 500, per_second=1) == FEWEST_PER_NUMBER
    assert flight.take("fast", 500, per_second=1000) == 250


def test_a_landing_wakes_the_number_that_waits_once() -> None:
    room = Room(1000)
    taken = room.flight.take("a", 50, per_second=1)
    room.flight.wait_for_room("a", per_second=1)
    assert room.told == []
    for _ in range(taken):
        room.flight.landed("a")
    assert room.told == ["a"]
    assert room.flight.total == 0


def test_a_number_that_waits_for_others_to_land_is_woken_by_them() -> None:
    """It has no call of its own under way, so its own landings would never come."""
    room = Room(16)
    assert room.flight.take("a", 50, per_second=80) == 16
    assert room.flight.take("b", 5, per_second=80) == 0
    room.flight.wait_for_room("b", per_second=80)
    assert room.told == []
    room.flight.landed("a")
    assert "b" in room.told


def test_places_that_never_flew_wake_nobody() -> None:
    """Their number would come back at once, find no slot again, and so on without end."""
    room = Room(1000)
    taken = room.flight.take("a", 50, per_second=1)
    room.flight.give_back("a", taken)
    assert room.told == []
    assert room.flight.total == 0
    assert room.flight.take("a", 50, per_second=1) == taken


def test_room_that_is_there_already_is_told_at_once() -> None:
    room = Room(1000)
    room.flight.wait_for_room("a", per_second=80)
    assert room.told == ["a"]


async def test_a_full_worker_lets_nobody_start_until_a_landing() -> None:
    flight = Room(16).flight
    flight.take("a", 16, per_second=80)
    waiting = asyncio.create_task(flight.any_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    flight.landed("a")
    async with asyncio.timeout(1):
        await waiting


@pytest.mark.parametrize("capacity", [1, 16, 1000])
def test_never_more_than_the_capacity(capacity: int) -> None:
    flight = Room(capacity).flight
    taken = sum(flight.take(str(number), 100, per_second=80) for number in range(50))
    assert taken == flight.total == min(capacity, 50 * 100)
