"""One change stream per process, opened when the first listener comes and closed after the last.

A reader takes changes from the stream; a teller takes whatever the reader has, asks the store once
for the messages that they name, and hands each listener those of its tenant, in the order of the
stream. Who comes back is first given what it missed, in chunks, from streams of their own.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress

import structlog
from bson import ObjectId

from manyline.base.errors import StoreUnavailableError
from manyline.events.listener import Listener
from manyline.events.models import (
    Change,
    Event,
    EventKind,
    EventsUnavailableError,
    MessageEvent,
    PositionLostError,
    StatusEvent,
    TenantEvent,
)
from manyline.events.repository import ChangeRepository, ChangeStream
from manyline.messages.repository import MessageRepository
from manyline.observability.failures import describe_failure
from manyline.tenants.models import TenantNotFoundError
from manyline.tenants.repository import TenantRepository

MOST_LISTENERS = 1_000
MOST_READ_AHEAD = 2_000
BATCH = 500
REPLAYS_AT_ONCE = 4
REPLAY_WAIT_MS = 50
REPLAY_SECONDS = 2.0
"""One chunk's time to search: the stream between two positions may hold nothing of a tenant's."""
STORE_AWAY_WAIT_SECONDS = 0.5

SECOND = 10
"""So many characters of a position say its kind and its second; the rest orders within that."""
AHEAD = "this position lies ahead of everything that has happened; read the lists anew"

log = structlog.get_logger(__name__)


class EventHub:
    """`listen`, then `replay` until `Listener.is_live`, then `Listener.next`, then `leave`."""

    def __init__(
        self,
        *,
        changes: ChangeRepository,
        messages: MessageRepository,
        tenants: TenantRepository,
    ) -> None:
        self._changes = changes
        self._messages = messages
        self._tenants = tenants
        self._listeners: dict[ObjectId, set[Listener]] = {}
        self._work: tuple[asyncio.Task[None], ...] = ()
        self._opening = asyncio.Lock()
        self._replays = asyncio.Semaphore(REPLAYS_AT_ONCE)
        self._taken = ""
        """Up to here changes are told, or are being told at this moment."""
        self._reading = False
        self._stopping = False

    @property
    def is_reading(self) -> bool:
        """Whether a change stream is open."""
        return self._reading

    async def listen(self, tenant_id: ObjectId, *, after: str | None = None) -> Listener:
        """A listener that misses nothing from now on, and nothing since `after` once replayed.

        Raises `EventsUnavailableError` and `StoreUnavailableError`.
        """
        if self._stopping:
            raise EventsUnavailableError("this process is stopping; come again")
        if sum(map(len, self._listeners.values())) >= MOST_LISTENERS:
            raise EventsUnavailableError(
                f"{MOST_LISTENERS} listeners are connected to this process; close some"
            )
        listener = Listener(tenant_id, after=after)
        self._listeners.setdefault(tenant_id, set()).add(listener)
        try:
            async with self._opening:
                if not self._reading:
                    await self._start()
        except BaseException:
            self.leave(listener)
            raise
        if after is None:
            listener.caught_up(self._taken)
        return listener

    async def replay(self, listener: Listener) -> list[Event]:
        """The next chunk of what it missed; with the last one (maybe empty) it is live.

        Nothing is held for it between two chunks. Raises `PositionLostError` when what it missed
        is no longer known, or its position is none that this store ever gave; it is live then,
        too. Raises `StoreUnavailableError`.
        """
        try:
            async with self._replays:
                await self._check_reached(listener.position)
                changes = await self._missed(listener)
                return await self._events(changes, {listener.tenant_id})
        except PositionLostError:
            listener.caught_up(self._taken)
            raise

    async def _check_reached(self, position: str) -> None:
        """Whether the store itself is there yet: this process may just be late."""
        if position > self._taken:
            now = await self._changes.open(wait_ms=REPLAY_WAIT_MS)
            await now.close()
            if position[:SECOND] > now.position[:SECOND]:
                raise PositionLostError(AHEAD)

    async def _missed(self, listener: Listener) -> list[Change]:
        """Up to `BATCH` changes after its position, which moves on; live where they meet ours."""
        if listener.position >= self._taken:
            listener.caught_up(listener.position)
            return []
        enough = time.monotonic() + REPLAY_SECONDS
        missed: list[Change] = []
        stream = await self._changes.open(after=listener.position, wait_ms=REPLAY_WAIT_MS)
        try:
            while len(missed) < BATCH and time.monotonic() < enough:
                change = await stream.next()
                listener.position = max(listener.position, change.position)
                if change.tenant_id in {None, listener.tenant_id}:
                    missed.append(change)
                if listener.position >= self._taken:
                    # Nothing is awaited between this comparison and the first event offered.
                    listener.caught_up(listener.position)
                    break
        finally:
            await stream.close()
        return missed

    def leave(self, listener: Listener) -> None:
        """It is gone; the stream is closed within a second if it was the last one."""
        listener.end()
        staying = self._listeners.get(listener.tenant_id, set())
        staying.discard(listener)
        if not staying:
            self._listeners.pop(listener.tenant_id, None)

    def stop(self) -> None:
        """End every listener; new ones are refused."""
        self._stopping = True
        self._end_all()

    async def close(self) -> None:
        """Stop, and close the stream."""
        self.stop()
        async with self._opening:
            await self._end_work()

    async def _start(self) -> None:
        await self._end_work()
        stream = await self._changes.open()
        self._taken = stream.position
        self._reading = True
        ahead: asyncio.Queue[Change] = asyncio.Queue(MOST_READ_AHEAD)
        self._work = (
            asyncio.create_task(self._read(stream, ahead), name="events-reader"),
            asyncio.create_task(self._tell(ahead), name="events-teller"),
        )
        # A task that is cancelled before its first step never gets to close the stream.
        await asyncio.sleep(0)

    async def _end_work(self) -> None:
        """PyMongo may turn a cancellation into an error of its own: ask until both are done."""
        for task in self._work:
            while not task.done():
                task.cancel()
                await asyncio.wait([task], timeout=0.2)
        self._work = ()

    async def _read(self, stream: ChangeStream, ahead: asyncio.Queue[Change]) -> None:
        """Until nobody listens; a store that is away is tried again from where it was left."""
        try:
            while self._listeners:
                position = stream.position
                try:
                    await ahead.put(await stream.next())
                except StoreUnavailableError:
                    log.warning("events.store_away")
                    await stream.close()
                    stream = await self._reopened(position)
        except PositionLostError:
            log.warning("events.position_lost")
        except Exception as error:  # noqa: BLE001 - logged; the next to listen starts it anew
            log.error("events.reader_failed", **describe_failure(error))  # noqa: TRY400
        finally:
            self._ended()
            await stream.close()

    async def _reopened(self, position: str) -> ChangeStream:
        while True:
            await asyncio.sleep(STORE_AWAY_WAIT_SECONDS)
            with suppress(StoreUnavailableError):
                return await self._changes.open(after=position)

    async def _tell(self, ahead: asyncio.Queue[Change]) -> None:
        try:
            while True:
                changes = [await ahead.get()]
                while not ahead.empty() and len(changes) < BATCH:
                    changes.append(ahead.get_nowait())
                self._taken = changes[-1].position
                self._hand_out(await self._patiently(changes), self._taken)
        except Exception as error:  # noqa: BLE001 - logged; the next to listen starts it anew
            log.error("events.teller_failed", **describe_failure(error))  # noqa: TRY400
        finally:
            self._ended()

    def _hand_out(self, events: Sequence[Event], position: str) -> None:
        for event in events:
            for listener in self._listeners.get(_tenant_of(event), ()):
                listener.offer(event)
        for listener in self._everyone():
            listener.pass_by(position)

    async def _patiently(self, changes: Sequence[Change]) -> list[Event]:
        while True:
            try:
                return await self._events(changes, self._listeners.keys())
            except StoreUnavailableError:
                await asyncio.sleep(STORE_AWAY_WAIT_SECONDS)

    async def _events(
        self, changes: Sequence[Change], tenant_ids: Iterable[ObjectId]
    ) -> list[Event]:
        """The changes that concern these tenants, with what they name, in order."""
        wanted = set(tenant_ids)
        ours = [one for one in changes if one.tenant_id is None or one.tenant_id in wanted]
        named = {
            one.subject: None
            for one in ours
            if one.subject is not None and one.kind is not EventKind.TENANT
        }
        messages = await self._messages.by_ids(list(wanted), list(named)) if named else {}
        events: list[Event] = []
        for change in ours:
            if change.kind is EventKind.TENANT and change.subject is not None:
                events += await self._tenant_event(change.position, change.subject)
            elif change.subject in messages:
                message = messages[change.subject]
                if change.status is None:
                    events.append(MessageEvent(change.position, message))
                else:
                    events.append(StatusEvent(change.position, message, change.status))
        return events

    async def _tenant_event(self, position: str, tenant_id: ObjectId) -> list[Event]:
        try:
            return [TenantEvent(position, await self._tenants.get(tenant_id))]
        except TenantNotFoundError:
            return []

    def _everyone(self) -> list[Listener]:
        return [listener for group in self._listeners.values() for listener in group]

    def _ended(self) -> None:
        """The first of the two to end says so, at once; the next to listen starts both anew."""
        if self._reading:
            self._reading = False
            self._end_all()

    def _end_all(self) -> None:
        for listener in self._everyone():
            listener.end()


def _tenant_of(event: Event) -> ObjectId:
    return event.tenant.id if isinstance(event, TenantEvent) else event.message.tenant_id
