"""The way in, second half: the group commit.

Concurrent webhooks hand in their items; one flush stores whatever waits:

1. gather: which items are there, and whom do they name (see `gathering`)
2. people: who moved to another number; one find of the unknown ones, one insert of the missing
3. messages with the replies they cause, then their conversations
4. what was there before: a message of the past that is told of again (see `again`)
5. preferences, news of accounts, the quarantine
6. statuses: beside all that, unless they may speak of messages of the same flush
7. one wait until a majority has all of it (see `infra.one_wait`)

Everything is safe to repeat and to come in any order, because Meta repeats it and promises none: a
duplicate key is success, times only move forward, and a reply's key is made of the wamid it
answers.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime

from manyline.base.batching import GroupCommit
from manyline.base.clock import Clock
from manyline.conversations.repository import ConversationRepository
from manyline.customers.preferences import PreferenceRepository
from manyline.customers.service import CustomerService, People
from manyline.inbound.account_news import AccountNews
from manyline.inbound.again import ToldAgain
from manyline.inbound.drafts import Drafts, refused
from manyline.inbound.gathering import Gathered, gather
from manyline.inbound.models import (
    Became,
    Committed,
    RoutedElsewhere,
    RoutedItem,
    RoutedMessage,
    StatusChange,
)
from manyline.inbound.quarantine.repository import QuarantineRepository
from manyline.inbound.statuses import StatusBoard
from manyline.infra.one_wait import OneWait
from manyline.messages.models import Inserted
from manyline.messages.repository import MessageRepository
from manyline.observability.metrics import InboundMetrics

# While the store works on one flush, the next is made ready. Two processes may do so as well: what
# makes a flush safe against its repetition makes it safe against its neighbour.
FLUSHES = 2
WORTH_ANOTHER = 64
# A flush is eight commands for however many items, 10 to 20 ms of CPU here and in mongod. While
# several webhooks come at a time, the next begins so long after the last one, for more of them.
APART_SECONDS = 0.04
ENOUGH = 128
COMPANY = 4

STORED = Committed(Became.STORED)
DUPLICATE = Committed(Became.DUPLICATE)
RAISED = Committed(Became.RAISED)
PARKED = Committed(Became.PARKED)
NOTED = Committed(Became.NOTED)
QUARANTINED = Committed(Became.QUARANTINED)


class InboundCommit:
    """Stores routed items durably, each with its own outcome."""

    def __init__(
        self,
        *,
        customers: CustomerService,
        preferences: PreferenceRepository,
        conversations: ConversationRepository,
        messages: MessageRepository,
        again: ToldAgain,
        statuses: StatusBoard,
        accounts: AccountNews,
        quarantine: QuarantineRepository,
        one_wait: OneWait,
        clock: Clock,
        metrics: InboundMetrics,
    ) -> None:
        self._customers = customers
        self._preferences = preferences
        self._conversations = conversations
        self._messages = messages
        self._again = again
        self._statuses = statuses
        self._accounts = accounts
        self._quarantine = quarantine
        self._one_wait = one_wait
        self._clock = clock
        self._metrics = metrics
        self._group = GroupCommit[RoutedItem, Committed](
            self._flush,
            flushes=FLUSHES,
            worth_another=WORTH_ANOTHER,
            apart=APART_SECONDS,
            enough=ENOUGH,
            company=COMPANY,
        )

    async def store(self, items: Sequence[RoutedItem]) -> Sequence[Committed]:
        """Return once all items are durable; raises `OverloadedError`, `StoreUnavailableError`."""
        return await self._group.submit(items)

    async def drained(self) -> None:
        """Wait until everything handed in is stored."""
        await self._group.drained()

    async def _flush(self, items: Sequence[RoutedItem]) -> list[Committed]:
        started = time.perf_counter()
        now = self._clock.now()
        outcomes = [STORED] * len(items)
        gathered = gather(items)
        told: list[tuple[int, StatusChange]] = []
        if not gathered.elsewhere:
            # Nothing in this flush is what they speak of, so neither waits for the other.
            told, gathered.statuses = gathered.statuses, told
        async with self._one_wait.flush():
            await asyncio.gather(
                self._store_messages(gathered, items, outcomes, now=now),
                self._apply_statuses(told, outcomes),
            )
            if gathered.events:
                await self._store_events(gathered, outcomes, now=now)
            await self._keep_quarantined(gathered, outcomes, now=now)
            await self._apply_statuses(gathered.statuses, outcomes)
        for place, _ in gathered.contacts:
            outcomes[place] = NOTED
        self._measure(len(items), len(gathered.quarantined), started)
        return outcomes

    async def _store_messages(
        self,
        gathered: Gathered,
        items: Sequence[RoutedItem],
        outcomes: list[Committed],
        *,
        now: datetime,
    ) -> None:
        """All that has to do with people: what they said, and what else is known of them."""
        if not gathered.sightings:
            return
        if gathered.moves:
            await self._customers.changed(gathered.moves)
        people = await self._customers.resolve(gathered.sightings)
        drafts = _drafts(gathered, people, now=now)
        inserted, _ = await asyncio.gather(
            self._messages.insert(drafts.documents), self._customers.see(people)
        )
        # After the messages: who was merged meanwhile is found by the conversation that had to be
        # made for them.
        made = await self._conversations.record(
            gathered.turns(people.ids, now=now), first_met=people.first_met
        )
        again = self._note_inserted(drafts, inserted, items, outcomes)
        gathered.quarantined += drafts.quarantined
        if again:
            gathered.statuses += await self._again.told(again, now=now)
        await self._customers.reunite(made)
        if gathered.elsewhere:
            await self._statuses.hurry([item for _, item, _ in gathered.elsewhere], now=now)
        if gathered.preferences:
            await self._note_preferences(gathered, people, outcomes)

    async def _note_preferences(
        self, gathered: Gathered, people: People, outcomes: list[Committed]
    ) -> None:
        told = [
            (item.tenant.id, people.ids[key], item.preference, item.at)
            for _, item, key in gathered.preferences
        ]
        await self._preferences.note(told)
        for place, _, _ in gathered.preferences:
            outcomes[place] = NOTED

    def _note_inserted(
        self,
        drafts: Drafts,
        inserted: Sequence[Inserted],
        items: Sequence[RoutedItem],
        outcomes: list[Committed],
    ) -> list[tuple[int, RoutedMessage | RoutedElsewhere]]:
        """The outcomes of the messages; answers those that were stored before."""
        again: list[tuple[int, RoutedMessage | RoutedElsewhere]] = []
        for outcome, (place, reply_id) in zip(inserted, drafts.owners, strict=True):
            if outcome.new:
                if reply_id is not None:
                    outcomes[place] = Committed(outcomes[place].became, reply_id)
                continue
            item = items[place]
            if reply_id is not None or not isinstance(item, RoutedMessage | RoutedElsewhere):
                continue
            if outcome.refusal is not None:
                drafts.quarantined.append((place, refused(item, outcome.refusal)))
            else:
                self._metrics.duplicates.inc()
                outcomes[place] = DUPLICATE
                again.append((place, item))
        return again

    async def _store_events(
        self, gathered: Gathered, outcomes: list[Committed], *, now: datetime
    ) -> None:
        new = await self._accounts.keep([item for _, item in gathered.events], now=now)
        for (place, _), is_new in zip(gathered.events, new, strict=True):
            if not is_new:
                outcomes[place] = DUPLICATE

    async def _keep_quarantined(
        self, gathered: Gathered, outcomes: list[Committed], *, now: datetime
    ) -> None:
        await self._quarantine.keep([item for _, item in gathered.quarantined], now=now)
        for place, _ in gathered.quarantined:
            outcomes[place] = QUARANTINED

    async def _apply_statuses(
        self, statuses: Sequence[tuple[int, StatusChange]], outcomes: list[Committed]
    ) -> None:
        if not statuses:
            return
        parked = {id(one) for one in await self._statuses.apply([one for _, one in statuses])}
        for place, change in statuses:
            if outcomes[place] is STORED:
                outcomes[place] = PARKED if id(change) in parked else RAISED

    def _measure(self, items: int, quarantined: int, started: float) -> None:
        self._metrics.flush_items.observe(items)
        self._metrics.flush_seconds.observe(time.perf_counter() - started)
        if quarantined:
            self._metrics.quarantined.inc(quarantined)


def _drafts(gathered: Gathered, people: People, *, now: datetime) -> Drafts:
    drafts = Drafts()
    for place, message, key in gathered.messages:
        drafts.add_message(place, message, people.ids[key], now=now)
    for place, told, key in gathered.elsewhere:
        drafts.add_elsewhere(place, told, people.ids[key], now=now)
    return drafts
