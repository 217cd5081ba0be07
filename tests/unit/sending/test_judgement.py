"""What each class of refusal makes of a message."""

from datetime import timedelta
from typing import Any

import pytest

from manyline.meta.catalogue import CATALOGUE, ErrorClass, ErrorRow, row_of
from manyline.meta.errors import GraphError
from manyline.meta.graph import Refused
from manyline.meta.usage import Usage
from manyline.sending.judgement import GRACE, LONGEST_PAIR_WAIT, CallRules, judge
from manyline.sending.models import Claim, Failed, Parked, Requeued, Settlement, Wait
from manyline.sending.retry import Backoff

RULES = CallRules(
    deadline=timedelta(seconds=15),
    expiry=timedelta(hours=24),
    backoff=Backoff(1.0),
    mock_allowed=False,
)
BY_CLASS = {
    error_class: code for code, row in CATALOGUE.items() if (error_class := row.error_class)
}


class Bench:
    def __init__(self, clock: Any, make_tenant: Any, make_pending: Any) -> None:
        self.clock, self._tenant, self._make_pending = clock, make_tenant(), make_pending

    def judged(self, row: ErrorRow, *, usage: Usage | None = None, **message: Any) -> Settlement:
        now = self.clock.now()
        claim = Claim(
            message=self._make_pending(self._tenant, **message),
            owner="w/1",
            claimed_at=now,
            expires_at=now + timedelta(seconds=30),
        )
        code = row.code if row.code is not None else 999_999
        error = GraphError(status=400, code=code, title="t", details="d", fbtrace_id="f")
        return judge(claim, Refused(error, usage), row, now=now, rules=RULES)

    def wait(self, settlement: Settlement) -> float:
        assert isinstance(settlement, Requeued)
        return (settlement.due_at - self.clock.now()).total_seconds()


@pytest.fixture
def bench(clock: Any, make_tenant: Any, make_pending: Any) -> Bench:
    return Bench(clock, make_tenant, make_pending)


@pytest.mark.parametrize("code", [c for c, r in CATALOGUE.items() if r.error_class == "backoff"])
def test_backoff_counts_and_ends(bench: Bench, code: int) -> None:
    row = CATALOGUE[code]
    shortest = row.delay.total_seconds() if row.delay else 0.0
    for attempts in range(row.tries - 1):
        settlement = bench.judged(row, attempts=attempts)
        wait = bench.wait(settlement)
        assert isinstance(settlement, Requeued)
        assert settlement.counts
        assert max(shortest, 2**attempts / 2) <= wait <= max(shortest, 2**attempts)
    assert isinstance(bench.judged(row, attempts=row.tries - 1), Failed)


def test_a_replay_starts_to_count_anew(bench: Bench) -> None:
    row = row_of(131016)
    assert isinstance(bench.judged(row, attempts=7), Failed)
    assert isinstance(bench.judged(row, attempts=7, attempts_before=5), Requeued)


def test_waits_do_not_count(bench: Bench) -> None:
    for code in (130429, 131056, 4, 80007, 190, 131031, 133010):
        settlement = bench.judged(row_of(code), attempts=4)
        assert isinstance(settlement, Requeued)
        assert not settlement.counts
        assert settlement.error == {
            "code": code,
            "title": "t",
            "details": "d",
            "fbtraceId": "f",
            "httpStatus": 400,
        }


def test_a_pair_waits_four_to_the_power_of_its_refusals(bench: Bench) -> None:
    waits = [bench.wait(bench.judged(row_of(131056), pair_waits=waits)) for waits in range(4)]
    assert waits == [1, 4, 16, 64]
    settlement = bench.judged(row_of(131056), pair_waits=10_000)
    assert bench.wait(settlement) == LONGEST_PAIR_WAIT.total_seconds()
    assert isinstance(settlement, Requeued)
    assert settlement.longer_next_time is Wait.PAIR


def test_an_app_waits_as_long_as_meta_says_or_else_as_the_row_does(bench: Bench) -> None:
    told = Usage(percent=100, regain_after=timedelta(minutes=17))
    assert bench.wait(bench.judged(row_of(80007), usage=told)) == 17 * 60
    row = row_of(4)
    assert row.delay is not None
    assert bench.wait(bench.judged(row)) == row.delay.total_seconds()


@pytest.mark.parametrize("code", [c for c, r in CATALOGUE.items() if r.error_class == "wait_long"])
def test_a_long_wait_parks_and_lets_the_message_live_that_much_longer(
    bench: Bench, code: int
) -> None:
    row, now = CATALOGUE[code], bench.clock.now()
    settlement = bench.judged(row)
    assert isinstance(settlement, Parked)
    assert row.delay is not None
    assert settlement.until == now + row.delay
    assert settlement.expires_at == max(now + RULES.expiry, now + row.delay + GRACE)
    again = bench.judged(row, expires_at=settlement.expires_at, long_waits=1)
    assert isinstance(again, Parked)
    assert again.expires_at == settlement.expires_at, "once, or it would live for ever"


@pytest.mark.parametrize("error_class", [ErrorClass.RECIPIENT, ErrorClass.CONTENT])
def test_what_cannot_get_better_fails_at_once(bench: Bench, error_class: ErrorClass) -> None:
    settlement = bench.judged(row_of(BY_CLASS[error_class]), attempts=0)
    assert isinstance(settlement, Failed)
    assert settlement.counts
    assert settlement.error["code"] == BY_CLASS[error_class]


@pytest.mark.parametrize("error_class", ErrorClass)
def test_every_class_has_a_settlement(bench: Bench, error_class: ErrorClass) -> None:
    assert bench.judged(row_of(BY_CLASS[error_class])) is not None


def test_a_replayed_message_lives_as_much_longer_as_a_long_wait_asks(bench: Bench) -> None:
    """Its expiry is set when it is replayed; parked past it, it would come back only to expire."""
    settlement = bench.judged(row_of(131049), expires_at=bench.clock.now() + RULES.expiry)
    assert isinstance(settlement, Parked)
    assert settlement.expires_at == settlement.until + GRACE
