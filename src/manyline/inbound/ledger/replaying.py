"""Applying webhooks of the ledger again, through the same commit as those that come.

Everything in that commit may be repeated: a message is there already, a status only raises, a reply
goes by a key made of the message that it answers. What is left for here is time: an item without a
time of its own counts from when its webhook first came, or a repeated one would seem new.

Not to be in the way of what comes: a hundred items at a time, and then as long a rest as they took.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bson import ObjectId

from manyline.base.clock import Clock
from manyline.base.paging import BadCursorError, decode_cursor, encode_cursor
from manyline.inbound.addressed import address, named_in
from manyline.inbound.dating import dated
from manyline.inbound.ledger.keeping import PACKED_AT_ONCE, Ledger
from manyline.inbound.ledger.models import (
    MEANT,
    NOBODYS,
    Arrival,
    LedgerOffError,
    LedgerRecord,
    Position,
    Wanted,
)
from manyline.inbound.ledger.packing import unpack
from manyline.inbound.ledger.repository import LedgerRepository
from manyline.inbound.models import Became, Committed, RoutedItem
from manyline.inbound.receive import Receiver
from manyline.inbound.routing import Routing, route
from manyline.inbound.voices import heard
from manyline.meta.webhook import MalformedWebhookError, parse
from manyline.tenants.directory import TenantDirectory

AT_ONCE = 100
"""Items in one commit, unless a single webhook has more."""
PAGE_SECONDS = 2.0
PAGE_RECORDS = 2_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


@dataclass(slots=True)
class Replayed:
    """What one page of a replay did, or would do."""

    webhooks: int = 0
    items: int = 0
    """Of those tenants that were asked for."""
    came: Counter[str] = field(default_factory=Counter)
    """What had become of these items when they came; `nobody's` for those of no tenant then."""
    became: Counter[Became] = field(default_factory=Counter)
    """What became of them now; empty for a dry run."""
    unreadable: int = 0
    """Webhooks that are none any more for this version."""
    next_cursor: str | None = None


@dataclass(slots=True)
class _Batch:
    """Items that are committed together."""

    items: list[RoutedItem] = field(default_factory=list)


class Replayer:
    """Reads the ledger, a page a call, and applies what it holds."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        records: LedgerRepository,
        receiver: Receiver,
        directory: TenantDirectory,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._records = records
        self._receiver = receiver
        self._directory = directory
        self._clock = clock

    def now(self) -> datetime:
        """Up to when there is something to apply."""
        return self._clock.now()

    async def replay(self, wanted: Wanted, *, cursor: str | None, dry_run: bool) -> Replayed:
        """Apply the next webhooks, for some two seconds; `next_cursor` is None after the last.

        Raises `BadCursorError`, `StoreUnavailableError`, `OverloadedError`, and `LedgerOffError`
        where no webhook is kept and none is left from before.
        """
        done, batch = Replayed(), _Batch()
        ends = time.monotonic() + PAGE_SECONDS
        position: Position | None = None
        seen = 0
        async with aclosing(self._following(cursor, wanted)) as following:
            async for record in following:
                seen += 1
                position = record.position
                for arrival in await _arrivals(record):
                    await self._take(arrival, wanted, done, batch, dry_run=dry_run)
                if time.monotonic() >= ends:
                    break
            else:
                position = position if seen == PAGE_RECORDS else None
        await self._commit(batch, done)
        if not seen and cursor is None and not self._ledger.on:
            raise LedgerOffError(
                "no webhook is kept: WEBHOOK_LEDGER_DAYS is 0; set it to the days that webhooks are"
                " to be kept from now on"
            )
        done.next_cursor = _cursor(position) if position is not None else None
        return done

    def _following(self, cursor: str | None, wanted: Wanted) -> AsyncGenerator[LedgerRecord, None]:
        position = _position(cursor) if cursor else None
        return self._records.after(position, wanted, limit=PAGE_RECORDS)

    async def _take(
        self, arrival: Arrival, wanted: Wanted, done: Replayed, batch: _Batch, *, dry_run: bool
    ) -> None:
        """Read one webhook again; what it holds joins the batch."""
        try:
            routing = await self._routed(arrival, wanted.tenant_id)
        except MalformedWebhookError:
            done.unreadable += 1
            return
        if not routing.items:
            return
        done.webhooks += 1
        done.items += len(routing.items)
        done.came.update(_came(arrival, routing))
        if dry_run:
            return
        if batch.items and len(batch.items) + len(routing.items) > AT_ONCE:
            await self._commit(batch, done)
        batch.items += routing.items

    async def _routed(self, arrival: Arrival, tenant_id: ObjectId | None) -> Routing:
        items = [dated(item, arrival.at) for item in parse(arrival.body)]
        found = await address(items, named_in(items), self._directory)
        found = heard(found, arrival.voice)
        routing = route(found, now=arrival.at)
        return routing if tenant_id is None else routing.of_tenant(tenant_id)

    async def _commit(self, batch: _Batch, done: Replayed) -> None:
        if not batch.items:
            return
        started = time.monotonic()
        committed: Sequence[Committed] = await self._receiver.apply(batch.items)
        done.became.update([one.became for one in committed])
        batch.items = []
        await asyncio.sleep(time.monotonic() - started)


async def _arrivals(record: LedgerRecord) -> Sequence[Arrival]:
    if record.packed is None:
        return ()
    if len(record.packed) > PACKED_AT_ONCE:
        return await asyncio.to_thread(unpack, record.packed)
    return unpack(record.packed)


def _came(arrival: Arrival, routing: Routing) -> list[str]:
    """What became of these items when they came; nothing where items are counted otherwise now."""
    outcomes = arrival.outcomes
    if routing.places and max(routing.places) >= len(outcomes):
        return []
    letters = [outcomes[place] for place in routing.places]
    return ["nobody's" if one == NOBODYS else MEANT[one].value for one in letters]


def _cursor(position: Position) -> str:
    milliseconds = (position.kept_at - EPOCH) // MILLISECOND
    return encode_cursor(milliseconds.to_bytes(8) + position.id.binary)


def _position(cursor: str) -> Position:
    raw = decode_cursor(cursor, size=20)
    try:
        kept_at = EPOCH + timedelta(milliseconds=int.from_bytes(raw[:8]))
    except OverflowError:
        raise BadCursorError(
            "this cursor is not one of ours; replay without a cursor to begin anew"
        ) from None
    return Position(kept_at, ObjectId(raw[8:]))
