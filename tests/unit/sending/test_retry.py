"""Waits between attempts: exponential, jittered, bounded."""

from manyline.sending.retry import MAX_ATTEMPTS, MAX_WAIT_SECONDS, Backoff


def test_each_wait_is_twice_the_one_before_give_or_take_the_jitter() -> None:
    backoff = Backoff(1.0)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        waits = {backoff.wait(attempt).total_seconds() for _ in range(200)}
        whole = 2.0 ** (attempt - 1)
        assert whole / 2 <= min(waits)
        assert max(waits) <= whole
        assert max(waits) - min(waits) > whole / 10, "no jitter"


def test_no_wait_is_endless() -> None:
    for attempt in (20, 1000, 10**6):
        assert Backoff(1.0).wait(attempt).total_seconds() <= MAX_WAIT_SECONDS
    assert Backoff(1e6).wait(1).total_seconds() <= MAX_WAIT_SECONDS


def test_five_attempts_and_no_more() -> None:
    assert MAX_ATTEMPTS == 5
