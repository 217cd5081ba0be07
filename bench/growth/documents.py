"""Documents of the past, of the shape that ours have when all is done with them.

Two thirds of what a store of messages holds by number is settled long since: customers' messages,
and replies that were sent, delivered and read. A test compares the fields with those of documents
that went all the way.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from bson import ObjectId, Timestamp

from bench.bare.flushes import REPLY
from bench.load import CUSTOMERS, message, phone_number
from manyline.conversations.models import WINDOW, hour_of
from manyline.customers.documents import new_customer
from manyline.customers.models import Sighting, identity_of
from manyline.customers.persons import persons
from manyline.messages.models import AUTO_REPLY_PREFIX
from manyline.messages.states import RANK, MessageStatus
from manyline.meta.payloads import text_content

Document = dict[str, Any]

DAYS = 90
"""The past is spread evenly over so long."""
SECOND = timedelta(seconds=1)
PAST = 1 << 47
"""Apart from the numbers, and so the wamids, of messages that are sent."""
PREVIEW = message(PAST, 0, "0")["text"]["body"]


@dataclass(frozen=True, slots=True)
class Met:
    """A customer of the past."""

    id: ObjectId
    tenant_id: ObjectId
    phone_number_id: str
    number: int
    """Its place among the customers of `bench.load`."""


class Past:
    """Makes it up: customers first, then what was said, oldest first."""

    def __init__(self, tenants: Sequence[tuple[ObjectId, str]]) -> None:
        """`tenants`: ids and numbers, the nth that of `bench.load.phone_number_id(n)`."""
        self._tenants = tenants
        self._draw = random.Random(7)
        self._began = datetime.now(UTC).replace(microsecond=0) - timedelta(days=DAYS)
        self._customers: list[Met] = []

    def customers(self) -> Iterator[Document]:
        """All that the benchmark's load draws from; each belongs to the same tenant as there."""
        for customer in range(CUSTOMERS):
            tenant_id, line = self._tenants[customer % len(self._tenants)]
            number = phone_number(customer)
            sighting = Sighting(
                tenant_id=tenant_id,
                identity=identity_of(phone=number, user_id=None),
                name=f"Customer {customer}",
                seen_at=self._began,
            )
            document = new_customer(persons([sighting])[0], self._began)
            self._customers.append(Met(document["_id"], tenant_id, line, customer))
            yield document

    def conversations(self) -> Iterator[Document]:
        """One for each customer, as it is after the last message."""
        ended = self._began + timedelta(days=DAYS)
        for met in self._customers:
            at = ended - timedelta(seconds=self._draw.randrange(DAYS * 86_400))
            last = {"at": at, "direction": "IN", "preview": PREVIEW}
            yield {
                "_id": met.id,
                "tenantId": met.tenant_id,
                "status": "open",
                "createdAt": self._began,
                "lastMessage": last,
                "activeHour": hour_of(at),
                "lastInboundAt": at,
                "lastReceivedAt": at,
                "windowExpiresAt": at + WINDOW,
            }

    def messages(self, count: int) -> Iterator[Document]:
        """So many, each customer's followed by its reply."""
        step = timedelta(days=DAYS) / max(1, count // 2)
        for number in range(count // 2):
            met = self._customers[self._draw.randrange(len(self._customers))]
            at = (self._began + number * step).replace(microsecond=0)
            said = message(PAST | number, met.number, str(int(at.timestamp())))
            yield _inbound(met, at, number, said)
            yield _reply(met, at, number, said["id"])


def _inbound(met: Met, at: datetime, number: int, said: Document) -> Document:
    return {
        **_common(met, at, 2 * number, "IN", said["text"]["body"]),
        "content": said,
        "waMessageId": said["id"],
        "status": MessageStatus.RECEIVED.value,
        "statusAt": {"received": at},
        "source": "webhook",
        "sentAt": at,
        "from": phone_number(met.number),
    }


def _reply(met: Met, at: datetime, number: int, wamid: str) -> Document:
    steps = ("queued", "sending", "sent", "delivered", "read")
    return {
        **_common(met, at, 2 * number + 1, "OUT", REPLY),
        "content": text_content(REPLY),
        "to": phone_number(met.number),
        "status": MessageStatus.READ.value,
        "statusRank": RANK[MessageStatus.READ],
        "statusAt": {step: at + place * SECOND for place, step in enumerate(steps)},
        "source": "auto-reply",
        "idempotencyKey": AUTO_REPLY_PREFIX + wamid,
        "attempts": 1,
        "waMessageId": f"wamid.{uuid4().hex}",
    }


def _common(met: Met, at: datetime, number: int, direction: str, text: str) -> Document:
    return {
        "_id": ObjectId(),
        "tenantId": met.tenant_id,
        "conversationId": met.id,
        "phoneNumberId": met.phone_number_id,
        # The server would fill in the time of the fill.
        "seq": Timestamp(int(at.timestamp()), number % 2**31 + 1),
        "direction": direction,
        "type": "text",
        "body": text,
        "createdAt": at,
    }
