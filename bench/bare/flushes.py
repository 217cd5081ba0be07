"""What the way in would write, made beforehand: one `Flush` for each group commit."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from bench.load import CUSTOMERS, message, phone_number, phone_number_id, webhook
from manyline.autoreply.decide import NAME_PLACEHOLDER
from manyline.base.clock import whole_milliseconds
from manyline.conversations.models import Turn
from manyline.customers.documents import new_customer
from manyline.customers.models import Sighting, identity_of
from manyline.customers.persons import persons
from manyline.inbound.ledger.models import LETTERS, Arrival
from manyline.inbound.models import Became
from manyline.inbound.voices import Voice
from manyline.messages.documents import inbound_document, outbound_document
from manyline.messages.models import AUTO_REPLY_PREFIX, NewInbound, NewOutbound
from manyline.meta.payloads import text_content
from manyline.tenants.models import AutoReply

REPLY = AutoReply().text.replace(NAME_PLACEHOLDER, "Shop 1")
STORED = LETTERS[Became.STORED]


@dataclass
class Flush:
    """One group commit's worth."""

    customers: list[dict[str, Any]] = field(default_factory=list)
    """Those who are met for the first time."""
    seen: list[tuple[ObjectId, Sighting]] = field(default_factory=list)
    """Those who were met before."""
    messages: list[RawBSONDocument] = field(default_factory=list)
    """Each customer's message with its reply after it."""
    replies: list[str] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)

    @property
    def first_met(self) -> set[ObjectId]:
        """The ids of `customers`."""
        return {customer["_id"] for customer in self.customers}


class Flushes:
    """Makes messages from the same customers and of the same words as `bench.work` does."""

    def __init__(self, *, tenants: int) -> None:
        self._tenant_ids = [ObjectId() for _ in range(tenants)]
        self._draw = random.Random(1)
        self._customers: dict[int, ObjectId] = {}
        self._now = whole_milliseconds(datetime.now(UTC))
        self._said_at = self._now.replace(microsecond=0)
        self._stamp = str(int(self._said_at.timestamp()))

    def make(self, messages: int, *, each: int) -> Iterator[Flush]:
        """So many messages, in flushes of so many."""
        for first in range(0, messages, each):
            flush = Flush()
            for number in range(first, min(first + each, messages)):
                self._add(flush, number, self._draw.randrange(CUSTOMERS))
            yield flush

    def _add(self, flush: Flush, number: int, customer: int) -> None:
        tenant = customer % len(self._tenant_ids)
        tenant_id, line = self._tenant_ids[tenant], phone_number_id(tenant)
        body = webhook(number, customer, line, self._stamp)
        customer_id = self._meet(flush, tenant_id, customer)
        said = self._inbound(tenant_id, customer_id, line, number, customer)
        reply = _reply(said)
        flush.messages += (inbound_document(said), outbound_document(reply))
        flush.replies.append(str(reply.id))
        flush.turns.append(
            Turn(
                tenant_id=tenant_id,
                conversation_id=customer_id,
                at=self._said_at,
                preview=said.body,
                inbound=True,
                received_at=self._now,
            )
        )
        voice = Voice(platform=True, tenants=(tenant_id,))
        flush.arrivals.append(Arrival(self._now, body.encode(), STORED, voice))

    def _meet(self, flush: Flush, tenant_id: ObjectId, customer: int) -> ObjectId:
        sighting = Sighting(
            tenant_id=tenant_id,
            identity=identity_of(phone=phone_number(customer), user_id=None),
            name=f"Customer {customer}",
            seen_at=self._said_at,
        )
        known = self._customers.get(customer)
        if known is not None:
            flush.seen.append((known, sighting))
            return known
        document = new_customer(persons([sighting])[0], self._now)
        flush.customers.append(document)
        customer_id: ObjectId = document["_id"]
        self._customers[customer] = customer_id
        return customer_id

    def _inbound(
        self, tenant_id: ObjectId, customer_id: ObjectId, line: str, number: int, customer: int
    ) -> NewInbound:
        said = message(number, customer, self._stamp)
        return NewInbound(
            id=ObjectId(),
            tenant_id=tenant_id,
            conversation_id=customer_id,
            phone_number_id=line,
            wamid=said["id"],
            sender=phone_number(customer),
            type="text",
            body=said["text"]["body"],
            content=RawBSONDocument(bson.encode(said)),
            sent_at=self._said_at,
            created_at=self._now,
        )


def _reply(said: NewInbound) -> NewOutbound:
    return NewOutbound(
        id=ObjectId(),
        tenant_id=said.tenant_id,
        conversation_id=said.conversation_id,
        phone_number_id=said.phone_number_id,
        recipient=said.sender or "",
        type="text",
        body=REPLY,
        content=text_content(REPLY),
        source="auto-reply",
        idempotency_key=AUTO_REPLY_PREFIX + said.wamid,
        created_at=said.created_at,
    )


def _number(customer: int) -> str:
    return f"+{919_000_000_000 + customer}"
