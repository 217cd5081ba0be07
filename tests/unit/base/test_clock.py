"""The clock follows the store's, and a slow answer is not taken for drift."""

from datetime import UTC, datetime, timedelta

from manyline.base.clock import StoreClock, whole_milliseconds

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def held(*, ahead: timedelta, round_trip: timedelta) -> StoreClock:
    clock = StoreClock()
    clock.hold_to(
        store_time=NOON + round_trip / 2 + ahead, asked_at=NOON, answered_at=NOON + round_trip
    )
    return clock


def test_a_host_ten_minutes_off_tells_the_stores_time() -> None:
    for ahead in (timedelta(minutes=10), timedelta(minutes=-10), timedelta(seconds=1)):
        clock = held(ahead=ahead, round_trip=timedelta(milliseconds=4))
        assert clock.offset == ahead
        assert abs(clock.now() - (datetime.now(UTC) + ahead)) < timedelta(milliseconds=500)


def test_noise_moves_nothing() -> None:
    quick = held(ahead=timedelta(milliseconds=30), round_trip=timedelta(milliseconds=2))
    slow = held(ahead=timedelta(seconds=2), round_trip=timedelta(seconds=3))
    assert quick.offset == slow.offset == timedelta(0)


def test_a_store_whose_clock_was_set_right_is_followed_back() -> None:
    clock = held(ahead=timedelta(minutes=10), round_trip=timedelta(0))
    clock.hold_to(store_time=NOON, asked_at=NOON, answered_at=NOON)
    assert clock.offset == timedelta(0)


def test_times_are_what_bson_can_hold() -> None:
    moment = datetime(2026, 11, 20, 12, 0, 0, 123_999, tzinfo=UTC)
    assert whole_milliseconds(moment).microsecond == 123_000
    now = StoreClock().now()
    assert now.microsecond % 1000 == 0
    assert now.tzinfo is UTC
