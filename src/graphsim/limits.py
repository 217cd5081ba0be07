"""Meta's limits on sending: how fast a number may go, how fast to one recipient, and the window.

All are off until a knob is turned. A message takes a slot of its number and of its pair, or of
neither; one that a fault loses afterwards has taken them. Meta counts a number's messages in both
directions, so those of customers take slots too, but none of them is ever refused. Whether a
customer wrote is remembered in any case, so the window can be turned on later.
Source: the Cloud API's "Throughput", "Pair rate limits" and "Customer service windows" pages.
"""

import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any

from graphsim.graph_errors import GraphError, graph_error
from graphsim.identifiers import user_id_of
from graphsim.send_request import SendRequest
from graphsim.settings import Settings

BURST_SECONDS = 1.0
"""A number may send so many seconds' worth of messages at once; Meta does not say how many."""
_ROUNDING = 1e-6
_FEW_KEYS = 100_000


class Pace:
    """Slots at an even pace, some of them lent ahead of time (GCRA); times in seconds.

    For each key it knows when all that was lent will have been paid back, and nothing else.
    """

    def __init__(self) -> None:
        self._paid_back: dict[Hashable, float] = {}
        self._sweep_at = _FEW_KEYS

    def __len__(self) -> int:
        """Keys that are remembered."""
        return len(self._paid_back)

    def has_slot(self, key: Hashable, *, now: float, interval: float, burst: float) -> bool:
        """Whether a slot can be had now, at one per `interval` and at most `burst` at once."""
        lent = max(self._paid_back.get(key, now) - now, 0.0)
        return lent + interval <= burst * interval + _ROUNDING

    def take(self, key: Hashable, *, now: float, interval: float) -> None:
        """Take a slot, whether or not there is one."""
        if len(self._paid_back) >= self._sweep_at:
            self._paid_back = {k: at for k, at in self._paid_back.items() if at > now}
            self._sweep_at = max(_FEW_KEYS, 2 * len(self._paid_back))
        self._paid_back[key] = max(self._paid_back.get(key, now), now) + interval


class Limits:
    """What one simulator's numbers have used up; the knobs are read at each message."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._begin = clock()
        self._numbers = Pace()
        self._pairs = Pace()
        self._wrote_at: dict[tuple[str, str], float] = {}

    def refusal(self, phone_number_id: str, send: SendRequest) -> GraphError | None:
        """The limit that `send` runs into, or None; in that case its slots are taken."""
        settings = self._settings
        if settings.window_error == "answer":
            error = self.closed_window(phone_number_id, send)
            if error is not None:
                return error
        rate, pair_seconds = settings.messages_per_second, settings.pair_seconds
        if rate is None and pair_seconds is None:
            return None
        return self._take_slots(phone_number_id, (phone_number_id, send.customer))

    def closed_window(self, phone_number_id: str, send: SendRequest) -> GraphError | None:
        """131047 for anything but a template to a customer who has not written lately."""
        seconds = self._settings.window_seconds
        if seconds is None or send.type == "template":
            return None
        wrote_at = self._wrote_at.get((phone_number_id, send.customer))
        if wrote_at is not None and self._clock() - wrote_at < seconds:
            return None
        return graph_error(131047)

    def customer_wrote(self, phone_number_id: str, message: dict[str, Any]) -> None:
        """A customer's `message` opens the window from its `timestamp` on, and takes a slot."""
        wrote_at = _time_of(message, default=self._clock())
        for customer in _names_of(phone_number_id, message):
            pair = (phone_number_id, customer)
            self._wrote_at[pair] = max(wrote_at, self._wrote_at.get(pair, 0.0))
        rate = self._settings.messages_per_second
        if rate is None:
            return
        now, interval = self._age(), 1.0 / rate
        if self._numbers.has_slot(phone_number_id, now=now, interval=interval, burst=_burst(rate)):
            self._numbers.take(phone_number_id, now=now, interval=interval)

    def _age(self) -> float:
        """Seconds since the beginning: small, so that thousands of intervals add up exactly."""
        return self._clock() - self._begin

    def _take_slots(self, number: str, pair: tuple[str, str]) -> GraphError | None:
        settings, now = self._settings, self._age()
        rate, pair_seconds = settings.messages_per_second, settings.pair_seconds
        if rate is not None and not self._numbers.has_slot(
            number, now=now, interval=1.0 / rate, burst=_burst(rate)
        ):
            return graph_error(130429)
        if pair_seconds is not None and not self._pairs.has_slot(
            pair, now=now, interval=pair_seconds, burst=settings.pair_burst
        ):
            return graph_error(131056)
        if rate is not None:
            self._numbers.take(number, now=now, interval=1.0 / rate)
        if pair_seconds is not None:
            self._pairs.take(pair, now=now, interval=pair_seconds)
        return None


def _time_of(message: dict[str, Any], *, default: float) -> float:
    """Unix seconds; `default` for a message without a time, or with nonsense for one."""
    with suppress(KeyError, ValueError, TypeError):
        return float(int(message["timestamp"]))
    return default


def _burst(rate: float) -> float:
    return max(1.0, rate * BURST_SECONDS)


def _names_of(phone_number_id: str, message: dict[str, Any]) -> set[str]:
    """All that a business may call the writer of `message` by; nobody wrote a `system` message."""
    if message.get("type") == "system":
        return set()
    wa_id, user_id = message.get("from"), message.get("from_user_id")
    names = {name for name in (wa_id, user_id) if isinstance(name, str)}
    if isinstance(wa_id, str):
        names.add(user_id_of(phone_number_id, wa_id))
    return names
