"""The way out: find what is eligible, reserve slots, claim, call, settle.

Claiming comes last and takes only what is POSTed at once, so a worker that is killed leaves in
doubt only what was in flight. A job ends when its messages are under way: each call settles by
itself, so a slow one holds up nobody else.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bson import ObjectId

from manyline.base.clock import Clock
from manyline.base.ids import parse_object_id
from manyline.limits.buckets import Buckets, Reserved, Wanted
from manyline.limits.turns import Turns
from manyline.messages.models import Pending
from manyline.sending.breakers import PROBE_SECONDS, Breakers
from manyline.sending.calls import Calls
from manyline.sending.flight import Flight
from manyline.sending.models import CLOCKS_DIFFER, Claim
from manyline.sending.repository import OutboxRepository
from manyline.sending.wakes import Wakes
from manyline.tenants.directory import TenantDirectory
from manyline.tenants.models import Tenant, TenantNotFoundError, TenantStatus

# A number has slots for a quarter of a second's messages at once, so a drain launches that many.
DRAIN_SECONDS = 0.25
FEWEST_TAKEN = 8
MOST_TAKEN = 50
# What a drain looks at, per message that it can launch: some of it stands behind others.
WINDOW_PER_TAKEN = 3
# Somebody else drains the number at this moment: see afterwards what is left.
AFTER_A_RIVAL_SECONDS = 0.1
# Followers found in a window full of them go out of sight this long; whoever settles the message
# before them brings them back, so this only bounds the harm of a lost hand-over.
BEHIND_FOR = timedelta(minutes=1)
# A later wait than this is left to the relay.
LONGEST_DRAIN_DELAY = timedelta(minutes=1)


@dataclass(slots=True)
class _Round:
    """What one job made of its candidates."""

    left: dict[str, float] = field(default_factory=dict)
    """Numbers with more eligible than could go, and the seconds until asking again is worth it."""
    short: dict[str, int] = field(default_factory=dict)
    """Numbers with more eligible than had room in flight, and their rates: a landing wakes them."""
    behind: list[Pending] = field(default_factory=list)
    put_off: dict[ObjectId, datetime] = field(default_factory=dict)
    """Messages whose recipient has been sent enough for now, and until when they wait."""


def drain_takes(per_second: int) -> int:
    """How many messages one drain launches of a number with this rate."""
    return max(FEWEST_TAKEN, min(MOST_TAKEN, round(per_second * DRAIN_SECONDS)))


class Deliverer:
    """Handles the queue's two jobs; see `queue.processor.JobHandlers`."""

    def __init__(
        self,
        *,
        outbox: OutboxRepository,
        directory: TenantDirectory,
        buckets: Buckets,
        flight: Flight,
        breakers: Breakers,
        turns: Turns,
        calls: Calls,
        wakes: Wakes,
        clock: Clock,
        lease: timedelta,
        owner: str,
    ) -> None:
        self._outbox = outbox
        self._directory = directory
        self._buckets = buckets
        self._flight = flight
        self._breakers = breakers
        self._turns = turns
        self._calls = calls
        self._wakes = wakes
        self._clock = clock
        self._lease = lease
        self._owner = owner
        self._claims = 0
        self._dry_until: dict[str, float] = {}

    async def send(self, message_ids: list[str]) -> None:
        """Deliver these messages, as far as they are eligible; wake numbers that have more."""
        await self._flight.any_room()
        ids = [parsed for text in message_ids if (parsed := parse_object_id(text)) is not None]
        now = self._clock.now()
        queued = await self._outbox.find_queued(ids)
        # One that is parked behind its line's head may have become the head: `heads` decides.
        due = [m for m in queued if m.behind or m.due_at <= now + CLOCKS_DIFFER]
        # A number out of slots has a drain on its way, which will see these too.
        done = await self._deliver([m for m in due if not self._seconds_dry(m.phone_number_id)])
        for number, seconds in done.left.items():
            self._wakes.wake_number(number, delay_seconds=seconds)

    async def drain(self, phone_number_id: str) -> float | None:
        """Deliver a number's next due messages; answers when to come again, None for never."""
        await self._flight.any_room()
        if wait := self._seconds_dry(phone_number_id) or self._breakers.wait(phone_number_id):
            return wait
        tenant = (await self._directory.by_numbers([phone_number_id])).get(phone_number_id)
        if tenant is None or tenant.status is not TenantStatus.ACTIVE:
            return None
        async with self._turns.at(phone_number_id) as ours:
            if not ours:
                return AFTER_A_RIVAL_SECONDS
            return await self._drain(tenant)

    async def _drain(self, tenant: Tenant) -> float | None:
        number, takes = tenant.phone_number_id, drain_takes(_rate(tenant))
        now, limit = self._clock.now(), takes * WINDOW_PER_TAKEN
        window = await self._outbox.due(tenant.id, now=now, limit=limit)
        done = await self._deliver(window, most=takes)
        if number in done.short:
            return None
        if number in done.left:
            return done.left[number]
        if len(window) < limit:
            return await self._until_next(tenant)
        await self._outbox.park_behind(done.behind, until=now + BEHIND_FOR)
        return 0.0

    async def _until_next(self, tenant: Tenant) -> float | None:
        """Seconds until the tenant's next waiting message, if that is worth a delayed drain."""
        now = self._clock.now()
        due_at = await self._outbox.next_due(tenant.id, after=now)
        if due_at is None or due_at - now > LONGEST_DRAIN_DELAY:
            return None
        return (due_at - now).total_seconds()

    async def _deliver(self, candidates: Sequence[Pending], *, most: int | None = None) -> _Round:
        """Launch what may go now, one message per recipient, and say what is left."""
        done = _Round()
        tenants = await self._active_tenants(candidates)
        heads = await self._heads([m for m in candidates if m.tenant_id in tenants], done)
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
        return done

    def _leave(self, boarded: Sequence[Pending], launched: Sequence[Claim]) -> None:
        """Give back the places of those that did not take off."""
        unused = Counter(message.phone_number_id for message in boarded)
        unused.subtract(claim.message.phone_number_id for claim in launched)
        for number, places in unused.items():
            if places:
                self._flight.give_back(number, places)
                self._breakers.not_called(number)

    async def _active_tenants(self, candidates: Iterable[Pending]) -> dict[ObjectId, Tenant]:
        found: dict[ObjectId, Tenant] = {}
        for tenant_id in {message.tenant_id for message in candidates}:
            try:
                tenant = await self._directory.by_id(tenant_id)
            except TenantNotFoundError:
                continue
            if tenant.status is TenantStatus.ACTIVE:
                found[tenant_id] = tenant
        return found

    async def _heads(self, candidates: Sequence[Pending], done: _Round) -> list[Pending]:
        """Those that are first in their recipient's line; the others are noted as behind."""
        if not candidates:
            return []
        first = await self._outbox.heads([message.conversation_id for message in candidates])
        heads = []
        for message in candidates:
            if first.get(message.conversation_id) == message.id:
                heads.append(message)
            else:
                done.behind.append(message)
        return heads

    def _board(
        self, heads: Sequence[Pending], tenants: dict[ObjectId, Tenant], done: _Round
    ) -> list[Pending]:
        """Those that may be called for which their number has room in flight."""
        boarded: list[Pending] = []
        for number, waiting in _by_number(heads).items():
            rate = _rate(tenants[waiting[0].tenant_id])
            allowed = waiting[: self._breakers.places(number, len(waiting))]
            room = self._flight.take(number, len(allowed), per_second=rate)
            boarded += allowed[:room]
            if len(allowed) < len(waiting):
                done.left[number] = self._breakers.wait(number) or PROBE_SECONDS
            elif room < len(waiting):
                done.short[number] = rate
        return boarded

    async def _within_rate(
        self, boarded: Sequence[Pending], tenants: dict[ObjectId, Tenant], done: _Round
    ) -> list[Pending]:
        """Those for which their number's bucket and their recipient's have a slot now."""
        if not boarded:
            return []
        by_number = _by_number(boarded)
        reserved = await self._buckets.reserve(
            {
                number: Wanted(
                    per_second=_rate(tenants[waiting[0].tenant_id]),
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
        self, number: str, waiting: Sequence[Pending], reserved: Reserved, done: _Round
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

    def _seconds_dry(self, number: str) -> float:
        """For how long a number is known to have no slots; 0 when it may have some."""
        until = self._dry_until.get(number)
        if until is None:
            return 0.0
        left = until - time.monotonic()
        if left <= 0:
            del self._dry_until[number]
        return max(0.0, left)

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


def _rate(tenant: Tenant) -> int:
    return tenant.settings.limits.messages_per_second


def _by_number(messages: Iterable[Pending]) -> dict[str, list[Pending]]:
    by_number: dict[str, list[Pending]] = {}
    for message in messages:
        by_number.setdefault(message.phone_number_id, []).append(message)
    return by_number
