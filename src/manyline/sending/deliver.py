"""The way out: find what is eligible, then launch it (see `launch`).

A job ends when its messages are under way: each call settles by itself, so a slow one holds up
nobody else. `send` jobs that come while others are looked at wait for one another's company: one
look at the store serves all of them.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta

from bson import ObjectId

from manyline.base.batching import GroupCommit
from manyline.base.clock import Clock
from manyline.base.ids import parse_object_id
from manyline.limits.turns import Turns
from manyline.messages.models import Pending
from manyline.sending.launch import Launcher, Round, rate_of
from manyline.sending.models import CLOCKS_DIFFER
from manyline.sending.repository import OutboxRepository
from manyline.sending.wakes import Wakes
from manyline.tenants.directory import TenantDirectory
from manyline.tenants.models import Tenant, TenantStatus

# Of so many at once: more would not cost less each, and they all wait for one another.
MOST_SENT = 200
# A look at the store costs half a dozen calls for however many; so long after the last one began,
# the next has gathered some more. Whoever is alone is looked at at once, and so are as many as half
# of a worker's jobs bring at the least: jobs that wait take no others.
LOOKS_APART_SECONDS = 0.02
ENOUGH_TO_LOOK = 8
# A number has slots for a quarter of a second's messages at once, so a drain launches that many.
DRAIN_SECONDS = 0.25
FEWEST_TAKEN = 8
MOST_TAKEN = 50
# What a drain looks at, per message that it can launch: some of it stands behind others.
WINDOW_PER_TAKEN = 3
# Somebody else drains the number at this moment: see afterwards what is left.
AFTER_A_RIVAL_SECONDS = 0.1
# A drain of a number that is out of slots waits for the next ones itself for so long, with what it
# has read: reading it anew costs more than sending it. Few may, or they would hold every job slot.
LINGER_SECONDS = 0.5
MOST_LINGERING = 6
# Followers found in a window full of them go out of sight this long; whoever settles the message
# before them brings them back, so this only bounds the harm of a lost hand-over.
BEHIND_FOR = timedelta(minutes=1)
# A later wait than this is left to the relay.
LONGEST_DRAIN_DELAY = timedelta(minutes=1)


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
        launcher: Launcher,
        turns: Turns,
        wakes: Wakes,
        clock: Clock,
    ) -> None:
        self._outbox = outbox
        self._directory = directory
        self._launcher = launcher
        self._turns = turns
        self._wakes = wakes
        self._clock = clock
        self._lingering = 0
        self._sends = GroupCommit[str, None](
            self._send, flush_items=MOST_SENT, apart=LOOKS_APART_SECONDS, enough=ENOUGH_TO_LOOK
        )

    async def send(self, message_ids: list[str]) -> None:
        """Deliver these messages, as far as they are eligible; wake numbers that have more."""
        await self._launcher.any_room()
        await self._sends.submit(message_ids)

    async def stop(self) -> None:
        """Look at nothing more; what is not claimed by now waits for another worker."""
        await self._sends.stop()

    async def _send(self, message_ids: Sequence[str]) -> list[None]:
        ids = [parsed for text in message_ids if (parsed := parse_object_id(text)) is not None]
        now = self._clock.now()
        queued = await self._outbox.find_queued(ids)
        # One that is parked behind its line's head may have become the head: `heads` decides.
        due = [m for m in queued if m.behind or m.due_at <= now + CLOCKS_DIFFER]
        # A number out of slots has a drain on its way, which will see these too.
        done = await self._deliver(
            [m for m in due if not self._launcher.seconds_dry(m.phone_number_id)]
        )
        for number, seconds in done.left.items():
            self._wakes.wake_number(number, delay_seconds=seconds)
        return [None] * len(message_ids)

    async def drain(self, phone_number_id: str) -> float | None:
        """Deliver a number's next due messages; answers when to come again, None for never."""
        await self._launcher.any_room()
        if wait := self._launcher.wait(phone_number_id):
            return wait
        tenant = (await self._directory.by_numbers([phone_number_id])).get(phone_number_id)
        if tenant is None or tenant.status is not TenantStatus.ACTIVE:
            return None
        async with self._turns.at(phone_number_id) as ours:
            if not ours:
                return AFTER_A_RIVAL_SECONDS
            return await self._drain(tenant)

    async def _drain(self, tenant: Tenant) -> float | None:
        number, takes = tenant.phone_number_id, drain_takes(rate_of(tenant))
        now, limit = self._clock.now(), takes * WINDOW_PER_TAKEN
        window = await self._outbox.due(tenant.id, now=now, limit=limit)
        done = await self._deliver(window, most=takes)
        done = await self._linger(tenant, done, most=takes)
        if number in done.short:
            return None
        if number in done.left:
            return done.left[number]
        if len(window) < limit:
            return await self._until_next(tenant)
        await self._put_behind(done.behind)
        return 0.0

    async def _put_behind(self, messages: Sequence[Pending]) -> None:
        """Out of sight until whoever settles the one before wakes them.

        One may have been settled since its line was read, and have woken its follower already:
        that one leads now, and is brought back.
        """
        now = self._clock.now()
        await self._outbox.park_behind(messages, until=now + BEHIND_FOR)
        first = await self._outbox.next_in_line([message.conversation_id for message in messages])
        await self._outbox.unpark([one.message_id for one in first if one.behind], now=now)

    async def _linger(self, tenant: Tenant, done: Round, *, most: int) -> Round:
        """Go on with what is left for as long as only slots are missing; the last round's end."""
        if self._lingering >= MOST_LINGERING:
            return done
        number, until = tenant.phone_number_id, time.monotonic() + LINGER_SECONDS
        self._lingering += 1
        try:
            while (
                done.unsent
                and time.monotonic() + (wait := self._launcher.seconds_dry(number)) < until
            ):
                if number in done.short or not (wait or done.left.get(number) == 0):
                    break
                await asyncio.sleep(wait)
                tenants = await self._active_tenants(done.unsent[:1])
                if not tenants:
                    break
                again = Round(behind=done.behind)
                await self._launcher.launch(done.unsent, tenants, again, most=most)
                done = again
        finally:
            self._lingering -= 1
        return done

    async def _until_next(self, tenant: Tenant) -> float | None:
        """Seconds until the tenant's next waiting message, if that is worth a delayed drain."""
        now = self._clock.now()
        due_at = await self._outbox.next_due(tenant.id, after=now)
        if due_at is None or due_at - now > LONGEST_DRAIN_DELAY:
            return None
        return (due_at - now).total_seconds()

    async def _deliver(self, candidates: Sequence[Pending], *, most: int | None = None) -> Round:
        """Launch what may go now, one message per recipient, and say what is left."""
        done = Round()
        tenants = await self._active_tenants(candidates)
        heads = await self._heads([m for m in candidates if m.tenant_id in tenants], done)
        await self._launcher.launch(heads, tenants, done, most=most)
        return done

    async def _active_tenants(self, candidates: Iterable[Pending]) -> dict[ObjectId, Tenant]:
        found = await self._directory.by_ids({message.tenant_id for message in candidates})
        return {
            tenant_id: tenant
            for tenant_id, tenant in found.items()
            if tenant.status is TenantStatus.ACTIVE
        }

    async def _heads(self, candidates: Sequence[Pending], done: Round) -> list[Pending]:
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
