"""When calls stop for a while, for whom, and how they come back by themselves."""

import pytest

from manyline.sending.breakers import (
    FAILURES_TO_OPEN,
    FIRST_WAIT_SECONDS,
    LONGEST_HOST_WAIT_SECONDS,
    LONGEST_NUMBER_WAIT_SECONDS,
    PROBE_LOST_SECONDS,
    PROBE_SECONDS,
    Breakers,
)


class Moment:
    def __init__(self) -> None:
        self.now = 1000.0
        self.breakers = Breakers(monotonic=lambda: self.now)

    def open_number(self, number: str) -> None:
        for _ in range(FAILURES_TO_OPEN):
            self.breakers.unanswered(number)

    def open_host(self) -> None:
        for _ in range(FAILURES_TO_OPEN):
            self.breakers.unreachable()


@pytest.fixture
def moment() -> Moment:
    return Moment()


def test_a_few_failures_stop_nobody(moment: Moment) -> None:
    for _ in range(FAILURES_TO_OPEN - 1):
        moment.breakers.unreachable()
        moment.breakers.unanswered("1")
    assert moment.breakers.places("1", 50) == 50
    assert moment.breakers.places("2", 50) == 50


def test_a_number_whose_calls_go_unanswered_stops_alone(moment: Moment) -> None:
    moment.open_number("1")
    assert moment.breakers.wait("1") == FIRST_WAIT_SECONDS
    assert moment.breakers.places("1", 50) == 0
    assert moment.breakers.places("2", 50) == 50


def test_a_host_that_cannot_be_reached_stops_everybody(moment: Moment) -> None:
    moment.open_host()
    assert moment.breakers.places("1", 50) == moment.breakers.places("2", 50) == 0


def test_one_probe_at_a_time_and_one_answer_opens_the_way(moment: Moment) -> None:
    moment.open_host()
    moment.now += FIRST_WAIT_SECONDS
    assert moment.breakers.places("1", 50) == 1
    assert moment.breakers.places("2", 50) == 0
    assert moment.breakers.wait("2") == PROBE_SECONDS
    moment.breakers.answered("1")
    assert moment.breakers.places("2", 50) == 50


@pytest.mark.parametrize("host", [True, False])
def test_waits_double_up_to_a_bound_and_start_small_again(moment: Moment, *, host: bool) -> None:
    fail = moment.breakers.unreachable if host else lambda: moment.breakers.unanswered("1")
    longest = LONGEST_HOST_WAIT_SECONDS if host else LONGEST_NUMBER_WAIT_SECONDS
    for _ in range(FAILURES_TO_OPEN):
        fail()
    waits = []
    for _ in range(12):
        waits.append(moment.breakers.wait("1"))
        moment.now += waits[-1]
        assert moment.breakers.places("1", 5) == 1
        fail()
    assert waits[:4] == [FIRST_WAIT_SECONDS * 2**n for n in range(4)]
    assert waits[-1] == longest
    moment.breakers.answered("1")
    for _ in range(FAILURES_TO_OPEN):
        fail()
    assert moment.breakers.wait("1") == FIRST_WAIT_SECONDS


def test_what_was_under_way_when_it_opened_does_not_lengthen_the_wait(moment: Moment) -> None:
    moment.open_number("1")
    for _ in range(150):
        moment.breakers.unanswered("1")
    assert moment.breakers.wait("1") == FIRST_WAIT_SECONDS


def test_a_probe_that_never_reports_does_not_stop_the_number_for_ever(moment: Moment) -> None:
    moment.open_number("1")
    moment.now += FIRST_WAIT_SECONDS
    assert moment.breakers.places("1", 5) == 1
    moment.now += PROBE_LOST_SECONDS
    assert moment.breakers.places("1", 5) == 1


def test_a_call_that_never_took_place_is_no_probe(moment: Moment) -> None:
    moment.open_number("1")
    moment.now += FIRST_WAIT_SECONDS
    assert moment.breakers.places("1", 5) == 1
    moment.breakers.not_called("1")
    assert moment.breakers.places("1", 5) == 1


def test_a_hold_lasts_as_long_as_it_was_asked_for(moment: Moment) -> None:
    moment.breakers.hold("1", 300.0)
    moment.breakers.hold("1", 5.0)
    moment.breakers.answered("1")
    assert moment.breakers.wait("1") == 300.0
    assert moment.breakers.wait("2") == 0.0
    moment.now += 300.0
    assert moment.breakers.places("1", 50) == 50
