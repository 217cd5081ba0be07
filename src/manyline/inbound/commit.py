"""The way in, second half: the group commit.

Concurrent webhooks hand in their items; one flush stores whatever waits:

1. people: one find of the unknown ones, one insert of the missing ones
2. messages, with the replies they cause; conversations; the quarantine - at the same time
3. statuses, since they may speak of messages of the same flush

Everything is safe to repeat, because Meta repeats it: a duplicate key is success, times only move
forward, and a reply's key is made of the wamid it answers.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from manyline.autoreply.decide import auto_reply
from manyline.base.batching import GroupCommit
from manyline.base.clock import Clock
from manyline.conversations.models import Turn
from manyline.conversations.repository import ConversationRepository
from manyline.customers.models import Sighting, identity_of
from manyline.customers.repository import Key
from manyline.customers.service import CustomerService, People
from manyline.inbound.models import (
    Committed,
    Quarantined,
    RoutedItem,
    RoutedMessage,
    StatusChange,
)
from manyline.inbound.repository import QuarantineRepository
from manyline.inbound.statuses import StatusBoard
from manyline.infra.documents import UnstorableError
from manyline.messages.documents import inbound_document, outbound_document
from manyline.messages.models import (
    AUTO_REPLY_PREFIX,
    Inserted,
    NewInbound,
    NewOutbound,
)
from manyline.messages.repository import MessageRepository
from manyline.meta.payloads import text_content
from manyline.observability.metrics import InboundMetrics


@dataclass(slots=True)
class _Batch:
    """The message documents of one flush, and which item each belongs to."""

    documents: list[RawBSONDocument] = field(default_factory=list)
    owners: list[tuple[int, ObjectId | None]] = field(default_factory=list)
    """Per document: the item's place in the flush, and the reply's id if it is a reply."""
    quarantined: list[Quarantined] = field(default_factory=list)

    def add(self, document: RawBSONDocument, item: int, reply_id: ObjectId | None) -> None:
        self.documents.append(document)
        self.owners.append((item, reply_id))


class InboundCommit:
    """Stores routed items durably, each with its own outcome."""

    def __init__(
        self,
        *,
        customers: CustomerService,
        conversations: ConversationRepository,
        messages: MessageRepository,
        statuses: StatusBoard,
        quarantine: QuarantineRepository,
        clock: Clock,
        metrics: InboundMetrics,
    ) -> None:
        self._customers = customers
        self._conversations = conversations
        self._messages = messages
        self._statuses = statuses
        self._quarantine = quarantine
        self._clock = clock
        self._metrics = metrics
        self._group = GroupCommit[RoutedItem, Committed](self._flush)

    async def store(self, items: Sequence[RoutedItem]) -> Sequence[Committed]:
        """Return once all items are durable; raises `OverloadedError`, `StoreUnavailableError`."""
        return await self._group.submit(items)

    async def drained(self) -> None:
        """Wait until everything handed in is stored."""
        await self._group.drained()

    async def _flush(self, items: Sequence[RoutedItem]) -> list[Committed]:
        started = time.perf_counter()
        people = await self._customers.resolve(
            _sighting(item) for item in items if isinstance(item, RoutedMessage)
        )
        batch = self._batch(items, people)
        received_at = self._clock.now()
        inserted, _ = await asyncio.gather(
            self._messages.insert(batch.documents),
            self._conversations.record(
                [
                    _turn(item, people, received_at)
                    for item in items
                    if isinstance(item, RoutedMessage)
                ],
                first_met=people.first_met,
            ),
        )
        self._refuse(batch, inserted, items)
        await self._quarantine.keep(batch.quarantined, now=self._clock.now())
        await self._statuses.apply([item for item in items if isinstance(item, StatusChange)])
        self._measure(len(items), len(batch.quarantined), started)
        return self._outcomes(len(items), batch, inserted)

    def _batch(self, items: Sequence[RoutedItem], people: People) -> _Batch:
        """Encode every message and its reply; what has no BSON form goes to quarantine."""
        batch = _Batch()
        for place, item in enumerate(items):
            if isinstance(item, Quarantined):
                batch.quarantined.append(item)
            elif isinstance(item, RoutedMessage):
                try:
                    self._add_message(batch, place, item, people.ids[_key(item)])
                except UnstorableError as error:
                    batch.quarantined.append(_refused(item, error.detail))
        return batch

    def _add_message(
        self, batch: _Batch, place: int, item: RoutedMessage, customer_id: ObjectId
    ) -> None:
        now = self._clock.now()
        message = item.message
        inbound = inbound_document(
            NewInbound(
                id=ObjectId(),
                tenant_id=item.tenant.id,
                conversation_id=customer_id,
                phone_number_id=message.phone_number_id,
                wamid=message.wamid,
                sender=message.sender,
                type=message.type,
                body=message.body,
                content=item.content,
                sent_at=item.said_at,
                created_at=now,
            )
        )
        reply = self._reply(item, customer_id)
        encoded_reply = outbound_document(reply) if reply is not None else None
        batch.add(inbound, place, None)
        if reply is not None and encoded_reply is not None:
            batch.add(encoded_reply, place, reply.id)

    def _reply(self, item: RoutedMessage, customer_id: ObjectId) -> NewOutbound | None:
        now = self._clock.now()
        text = auto_reply(item.tenant, item.message, now=now)
        recipient = item.message.sender or item.message.user_id
        if text is None or recipient is None:
            return None
        return NewOutbound(
            id=ObjectId(),
            tenant_id=item.tenant.id,
            conversation_id=customer_id,
            phone_number_id=item.tenant.phone_number_id,
            recipient=recipient,
            type="text",
            body=text,
            content=text_content(text),
            source="auto-reply",
            idempotency_key=AUTO_REPLY_PREFIX + item.message.wamid,
            created_at=now,
        )

    def _refuse(
        self, batch: _Batch, inserted: Sequence[Inserted], items: Sequence[RoutedItem]
    ) -> None:
        """Quarantine the messages that only the server found fault with."""
        for outcome, (place, _) in zip(inserted, batch.owners, strict=True):
            item = items[place]
            if outcome.refusal is not None and isinstance(item, RoutedMessage):
                batch.quarantined.append(_refused(item, outcome.refusal))

    def _outcomes(self, count: int, batch: _Batch, inserted: Sequence[Inserted]) -> list[Committed]:
        outcomes = [Committed()] * count
        for outcome, (place, reply_id) in zip(inserted, batch.owners, strict=True):
            if reply_id is None and not outcome.new:
                self._metrics.duplicates.inc()
            elif reply_id is not None and outcome.new:
                outcomes[place] = Committed(reply_id=reply_id)
        return outcomes

    def _measure(self, items: int, quarantined: int, started: float) -> None:
        self._metrics.flush_items.observe(items)
        self._metrics.flush_seconds.observe(time.perf_counter() - started)
        if quarantined:
            self._metrics.quarantined.inc(quarantined)


def _sighting(item: RoutedMessage) -> Sighting:
    return Sighting(
        tenant_id=item.tenant.id,
        identity=identity_of(phone=item.message.sender, user_id=item.message.user_id),
        name=item.message.sender_name,
        seen_at=item.said_at,
    )


def _key(item: RoutedMessage) -> Key:
    identity = identity_of(phone=item.message.sender, user_id=item.message.user_id)
    return item.tenant.id, identity


def _turn(item: RoutedMessage, people: People, received_at: datetime) -> Turn:
    return Turn(
        tenant_id=item.tenant.id,
        conversation_id=people.ids[_key(item)],
        at=item.said_at,
        preview=item.message.body,
        inbound=True,
        received_at=received_at,
    )


def _refused(item: RoutedMessage, reason: str) -> Quarantined:
    return Quarantined(
        tenant_id=item.tenant.id,
        phone_number_id=item.message.phone_number_id,
        reason=reason,
        raw=bytes(item.content.raw),
    )
