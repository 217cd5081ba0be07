import json
from typing import Any

import pytest

from graphsim.identifiers import user_id_of
from graphsim.limits import Limits, Pace
from graphsim.send_request import parse
from graphsim.settings import Settings

ANN, BEN = "919000000001", "919000000002"
DAY = 86_400.0


class World:
    """Limits over a clock that stands still until it is moved."""

    def __init__(self, **knobs: Any) -> None:
        self.settings = Settings()
        self.settings.change(knobs)
        self.now = 1_700_000_000.0
        self.limits = Limits(self.settings, clock=lambda: self.now)

    def send(self, to: str = ANN, *, number: str = "111", **fields: Any) -> int | None:
        """The code of the limit that a message runs into."""
        message = {"to": to, "type": "text", "text": {"body": "x"}, **fields}
        error = self.limits.refusal(number, parse(json.dumps(message).encode()))
        return None if error is None else error.code

    def taken(self, count: int, to: str = ANN, **fields: Any) -> int:
        """How many of `count` messages run into no limit."""
        return sum(self.send(to, **fields) is None for _ in range(count))

    def wrote(self, **message: Any) -> None:
        self.limits.customer_wrote("111", {"from": ANN, "type": "text", **message})


def test_without_knobs_there_is_no_limit() -> None:
    assert World().taken(10_000) == 10_000


def test_a_number_may_send_a_seconds_worth_at_once_and_then_at_its_rate() -> None:
    world = World(messages_per_second=80)
    assert [world.send(str(n)) for n in range(81)] == [None] * 80 + [130429]
    for _ in range(40):
        world.now += 0.025
        assert world.taken(5) == 2
    assert world.send(number="222") is None


def test_a_customers_message_takes_a_slot_and_is_never_refused() -> None:
    world = World(messages_per_second=10)
    for _ in range(25):
        world.wrote()
    assert world.send() == 130429
    world.now += 0.1  # what was written beyond the limit is not held against the number
    assert world.taken(2) == 1


def test_a_pair_may_send_45_at_once_and_then_one_each_six_seconds() -> None:
    world = World(pair_seconds=6)
    assert [world.send() for _ in range(46)] == [None] * 45 + [131056]
    assert world.send(BEN) is None
    assert world.send(number="222") is None
    world.now += 5.9
    assert world.send() == 131056
    world.now += 0.1
    assert world.taken(2) == 1
    world.now += 60
    assert world.taken(20) == 10


def test_a_message_takes_a_slot_of_both_or_of_neither() -> None:
    world = World(messages_per_second=2, pair_seconds=6, pair_burst=1)
    assert [world.send(), world.send(), world.send(BEN)] == [None, 131056, None]
    world = World(messages_per_second=1, pair_seconds=6, pair_burst=1)
    assert [world.send(), world.send(BEN)] == [None, 130429]
    world.now += 1
    assert world.send(BEN) is None


def test_a_knob_holds_from_the_next_message_on() -> None:
    world = World(messages_per_second=1)
    assert world.taken(3) == 1
    world.settings.change({"messages_per_second": None})
    assert world.taken(3) == 3


@pytest.mark.parametrize(
    ("to", "age", "code"),
    [(ANN, 0, None), (ANN, DAY - 1, None), (ANN, DAY, 131047), (BEN, 0, 131047)],
)
def test_only_who_wrote_within_the_window_is_reached(to: str, age: float, code: int) -> None:
    world = World(window_seconds=DAY)
    world.wrote()
    world.now += age
    assert world.send(to) == code
    assert world.send(to, type="template", template={"name": "hello"}) is None


def test_the_window_opens_at_the_time_that_the_message_bears() -> None:
    world = World(window_seconds=DAY)
    world.wrote(timestamp=str(int(world.now - DAY - 1)))
    assert world.send() == 131047
    world.wrote(timestamp=str(int(world.now - DAY + 60)))
    world.wrote(timestamp=str(int(world.now - 2 * DAY)))  # an old one does not close it again
    assert world.send() is None
    world.now += 60
    assert world.send() == 131047


def test_it_is_of_one_number_and_knows_the_customer_by_both_names() -> None:
    world = World(window_seconds=DAY)
    world.wrote()
    assert world.send(number="222") == 131047
    assert world.send("", recipient=user_id_of("111", ANN)) is None
    world.wrote(**{"from": BEN, "type": "system"})
    assert world.send(BEN) == 131047


def test_who_wrote_before_the_knob_was_turned_is_remembered() -> None:
    world = World()
    world.wrote()
    world.settings.change({"window_seconds": DAY})
    assert (world.send(), world.send(BEN)) == (None, 131047)


def test_a_window_that_shows_in_the_status_refuses_nothing() -> None:
    world = World(window_seconds=DAY, window_error="status")
    send = parse(json.dumps({"to": ANN, "text": {"body": "x"}}).encode())
    assert world.limits.refusal("111", send) is None
    late = world.limits.closed_window("111", send)
    assert late is not None
    assert late.code == 131047


def test_what_is_paid_back_is_forgotten_and_what_is_not_is_kept() -> None:
    pace = Pace()
    for key in range(150_000):
        pace.take(key, now=key * 0.001, interval=6.0)
    late = {"now": 149.999, "interval": 6.0, "burst": 1}
    assert len(pace) < 110_000
    assert pace.has_slot(0, **late)
    assert not pace.has_slot(149_999, **late)
