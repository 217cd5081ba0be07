"""Which wake-up a message gets: light traffic its own, a broadcast one drain."""

from collections.abc import Iterable

from manyline.sending.wakes import BUSY_ABOVE, Wakes


class Queue:
    def __init__(self) -> None:
        self.messages: list[list[str]] = []
        self.numbers: list[tuple[str, float]] = []

    def wake_messages(self, message_ids: Iterable[str]) -> None:
        self.messages.append(list(message_ids))

    def wake_number(self, phone_number_id: str, *, delay_seconds: float = 0) -> None:
        self.numbers.append((phone_number_id, delay_seconds))


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_light_traffic_is_woken_message_by_message() -> None:
    queue = Queue()
    wakes = Wakes(queue, monotonic=Time())
    wakes.wake([("m1", "111"), ("m2", "222")])
    wakes.wake([])
    assert queue.messages == [["m1", "m2"]]
    assert queue.numbers == []


def test_a_broadcast_is_left_to_its_drain_and_others_are_not() -> None:
    queue = Queue()
    wakes = Wakes(queue, monotonic=Time())
    for n in range(3 * BUSY_ABOVE):
        wakes.wake([(f"m{n}", "111")])
    wakes.wake([("other", "222"), ("more", "111")])
    assert sum(map(len, queue.messages)) == BUSY_ABOVE + 1
    assert queue.messages[-1] == ["other"]
    assert set(queue.numbers) == {("111", 0)}


def test_one_batch_wakes_a_busy_number_once() -> None:
    queue = Queue()
    Wakes(queue, monotonic=Time()).wake((f"m{n}", "111") for n in range(500))
    assert [len(ids) for ids in queue.messages] == [BUSY_ABOVE]
    assert queue.numbers == [("111", 0)]


def test_a_second_later_nobody_is_busy() -> None:
    queue, time = Queue(), Time()
    wakes = Wakes(queue, monotonic=time)
    wakes.wake((f"m{n}", "111") for n in range(500))
    time.now += 1.0
    wakes.wake([("late", "111")])
    assert queue.messages[-1] == ["late"]
