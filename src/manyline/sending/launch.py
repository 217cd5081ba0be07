"""Take-off: places in flight, slots, claims, calls - for messages that are first in their lines.

Claiming comes last and takes only what is POSTed at once, so a worker that is killed leaves in
doubt only what was in flight.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bson import ObjectId

from manyline.base.clock import Clock
from manyline.limits.buckets import Buckets, Reserved, Wanted
from manyline.messages.models import Pending
from manyline.sending.breakers import PROBE_SECONDS, Breakers
from manyline.sending.calls import Calls
from manyline.sending.flight import Flight
from manyline.sending.models import Claim
from manyline.sending.repository import OutboxRepository
from manyline.sending.wakes import Wakes
from manyline.tenants.models import Tenant


@dataclass(slots=True)
class Round:
    """What one job made of its candidates."""

    left: dict[str, float] = field(default_factory=dict)
    """Numbers with more eligible than could go, and the seconds until asking again is worth it."""
    short: dict[str, int] = field(default_factory=dict)
    """Numbers with more eligible than had room in flight, and their rates: a landing wakes them."""
    behind: list[Pending] = field(default_factory=list)
    unsent: list[Pending] = field(default_factory=list)
    """Eligible ones that did not go."""
    put_off: dict[ObjectId, datetime] = field(default_factory=dict)
    """Messages whose recipient has been sent enough for now, and until when they wait."""


class Launcher:
    """Launches what may go now, over all numbers of a job."""

    def __init__(
        self,
        *,
        outbox: OutboxRepository,
        buckets: Buckets,
        flight: Flight,
        breakers: Breakers,
        calls: Calls,
        wakes: Wakes,
        clock: Clock,
        lease: timedelta,
        owner: str,
    ) -> None:
        self._outbox = outbox
        self._buckets = buckets
        self._flight = flight
        self._breakers = breakers
        self._calls = calls
        self._wakes = wakes
        self._clock = clock
        self._lease = lease
        self._owner = owner
        self._claims = 0
        self._dry_until: dict[str, float] = {}

    async def any_room(self) -> None:
        """Wait until the worker as a whole has room for another call."""
        await self._flight.any_room()

    def wait(self, number: str) -> float:
        """For how long nothing of this number may go: no slots, or an open breaker."""
        return self.seconds_dry(number) or self._breakers.wait(number)

    def seconds_dry(self, number: str) -> float:
        """For how long a number is known to have no slots; 0 when it may have some."""
        until = self._dry_until.get(number)
        if until is None:
            return 0.0
        left = until - time.monotonic()
        if left <= 0:
            del self._dry_until[number]
        return max(0.0, left)

    async def launch(
        self,
        heads: Sequence[Pending],
        tenants: Mapping[ObjectId, Tenant],
        done: Round,
        *,
        most: int | None,
    ) -> None:
        """Board, reserve, claim, call; notes in `done` what is left. Of a single number `most`."""
        for message in heads[most:] if most is not None else ():
            done.left[message.phone_number_id] = 0.0
        boarded = self._board(heads[:most], tenants, done)
        launched: list[Claim] = []
        try:
            granted = await self._within_rate(boarded, tenants, done)
            for claim in await self._claim(granted):
                self._calls.launch(claim, tenants[claim.message.tenant_id])
                launched.append(claim)
            await self._outbox.put_off(done.put_off)
        finally:
            self._leave(boarded, launched)
        for number, rate in done.short.items():
            self._flight.wait_for_room(number, per_second=rate)
        tried = {message.id for message in granted} | done.put_off.keys()
        done.unsent = [message for message in heads if message.id not in tried]

    def _leave(self, boarded: Sequence[Pending], launched: Sequence[Claim]) -> None:
        """Give back the places of those that did not take off."""
        unused = Counter(message.phone_number_id for message in boarded)
        unused.subtract(claim.message.phone_number_id for claim in launched)
        for number, places in unused.items():
            if places:
                self._flight.give_back(number, places)
                self._breakers.not_called(number)

    def _board(
        self, heads: Sequence[Pending], tenants: Mapping[ObjectId, Tenant], done: Round
    ) -> list[Pending]:
        """Those that may be called for which their number has room in flight."""
        boarded: list[Pending] = []
        for number, waiting in _by_number(heads).items():
            rate = rate_of(tenants[waiting[0].tenant_id])
            allowed = waiting[: self._breakers.places(number, len(waiting))]
            room = self._flight.take(number, len(allowed), per_second=rate)
            boarded += allowed[:room]
            if len(allowed) < len(waiting):
                done.left[number] = self._breakers.wait(number) or PROBE_SECONDS
            elif room < len(waiting):
                done.short[number] = rate
        return boarded

    async def _within_rate(
        self, boarded: Sequence[Pending], tenants: Mapping[ObjectId, Tenant], done: Round
    ) -> list[Pending]:
        """Those for which their number's bucket and their recipient's have a slot now."""
        if not boarded:
            return []
        by_number = _by_number(boarded)
        reserved = await self._buckets.reserve(
            {
                number: Wanted(
                    per_second=rate_of(tenants[waiting[0].tenant_id]),
                    recipients=[message.recipient for message in waiting],
                )
                for number, waiting in by_number.items()
            }
        )
        granted: list[Pending] = []
        for number, waiting in by_number.items():
            granted += self._granted(number, waiting, reserved[number], done)
        return granted

    def _granted(
        self, number: str, waiting: Sequence[Pending], reserved: Reserved, done: Round
    ) -> list[Pending]:
        """The messages that got a slot; for the others, when to come again."""
        granted: list[Pending] = []
        for message, wait in zip(waiting, reserved.waits, strict=True):
            if wait == 0:
                granted.append(message)
            elif wait is not None:
                done.put_off[message.id] = self._clock.now() + timedelta(seconds=wait)
                self._wakes.wake_number(number, delay_seconds=wait)
        if reserved.retry_after:
            done.left[number] = reserved.retry_after
            self._dry_until[number] = time.monotonic() + reserved.retry_after
            done.short.pop(number, None)  # The rate is what it waits for.
        return granted

    async def _claim(self, granted: Sequence[Pending]) -> list[Claim]:
        if not granted:
            return []
        self._claims += 1
        now = self._clock.now()
        claims = [
            Claim(
                message=message,
                owner=f"{self._owner}/{self._claims}",
                claimed_at=now,
                expires_at=now + self._lease,
            )
            for message in granted
        ]
        try:
            return await self._outbox.claim(claims, now=now)
        except BaseException:
            # The store did not answer, or this worker stops. Some may be claimed all the same;
            # none was POSTed, so none may end in doubt.
            self._calls.hand_back(claims)
            raise


def rate_of(tenant: Tenant) -> int:
    """Messages a second that the tenant's number may send."""
    return tenant.settings.limits.messages_per_second


def _by_number(messages: Iterable[Pending]) -> dict[str, list[Pending]]:
    by_number: dict[str, list[Pending]] = {}
    for message in messages:
        by_number.setdefault(message.phone_number_id, []).append(message)
    return by_number
