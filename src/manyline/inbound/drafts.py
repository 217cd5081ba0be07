"""Messages of a flush, from items to documents: what is written, in whose place, and the replies.

Each document is encoded alone; what has no BSON form goes to quarantine and harms nobody else.
"""

from dataclasses import dataclass, field
from datetime import datetime

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from manyline.autoreply.decide import auto_reply
from manyline.inbound.models import Quarantined, RoutedElsewhere, RoutedMessage
from manyline.inbound.quarantine.setting_aside import unstorable
from manyline.infra.documents import UnstorableError
from manyline.messages.documents import elsewhere_document, inbound_document, outbound_document
from manyline.messages.models import (
    AUTO_REPLY_PREFIX,
    HISTORY,
    PHONE,
    NewElsewhere,
    NewInbound,
    NewOutbound,
)
from manyline.messages.states import MessageStatus
from manyline.meta.payloads import text_content
from manyline.meta.webhook import EchoMessage

FROM_HISTORY = {
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.READ,
    "played": MessageStatus.READ,
    "error": MessageStatus.FAILED,
    "failed": MessageStatus.FAILED,
}
"""Meta's words for how far a past message had got; any other is `sent`."""


@dataclass(slots=True)
class Drafts:
    """The message documents of one flush, and which item each belongs to."""

    documents: list[RawBSONDocument] = field(default_factory=list)
    owners: list[tuple[int, ObjectId | None]] = field(default_factory=list)
    """Per document: the item's place in the flush, and the reply's id if it is a reply."""
    quarantined: list[tuple[int, Quarantined]] = field(default_factory=list)

    def add_message(
        self, place: int, item: RoutedMessage, customer_id: ObjectId, *, now: datetime
    ) -> None:
        """A customer's message, and the reply that it causes: both or neither."""
        message = item.message
        draft = NewInbound(
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
            about_wamid=message.about.wamid if message.about is not None else None,
        )
        reply = _reply(item, customer_id, now=now)
        try:
            document = inbound_document(draft)
            encoded_reply = outbound_document(reply) if reply is not None else None
        except UnstorableError as error:
            self.quarantined.append((place, refused(item, error.detail)))
            return
        self.documents.append(document)
        self.owners.append((place, None))
        if reply is not None and encoded_reply is not None:
            self.documents.append(encoded_reply)
            self.owners.append((place, reply.id))

    def add_elsewhere(
        self, place: int, item: RoutedElsewhere, customer_id: ObjectId, *, now: datetime
    ) -> None:
        """A message that was said elsewhere; nothing is answered to it."""
        try:
            document = elsewhere_document(elsewhere(item, customer_id, now=now))
        except UnstorableError as error:
            self.quarantined.append((place, refused(item, error.detail)))
            return
        self.documents.append(document)
        self.owners.append((place, None))


def elsewhere(item: RoutedElsewhere, customer_id: ObjectId, *, now: datetime) -> NewElsewhere:
    """An echo of the business' phone, or a message of the past."""
    message = item.message
    is_echo = isinstance(message, EchoMessage)
    return NewElsewhere(
        id=ObjectId(),
        tenant_id=item.tenant.id,
        conversation_id=customer_id,
        phone_number_id=message.phone_number_id,
        wamid=message.wamid,
        outgoing=goes_out(item),
        person=person_of(item),
        type=message.type,
        body=message.body,
        content=item.content,
        source=PHONE if is_echo else HISTORY,
        status=reached(item),
        sent_at=item.said_at,
        created_at=now,
        about_wamid=message.about.wamid if message.about is not None else None,
    )


def goes_out(item: RoutedElsewhere) -> bool:
    """Whether the business said it."""
    return isinstance(item.message, EchoMessage) or item.message.outgoing


def person_of(item: RoutedElsewhere) -> str | None:
    """The customer's number, or else their user id."""
    message = item.message
    phone = message.recipient if isinstance(message, EchoMessage) else message.customer
    return phone or message.user_id


def reached(item: RoutedElsewhere) -> MessageStatus:
    """How far it had got when Meta told of it."""
    if not goes_out(item):
        return MessageStatus.RECEIVED
    if isinstance(item.message, EchoMessage):
        return MessageStatus.SENT
    return FROM_HISTORY.get(item.message.status or "", MessageStatus.SENT)


def refused(item: RoutedMessage | RoutedElsewhere, reason: str) -> Quarantined:
    """An item that cannot be stored."""
    return unstorable(item.message, reason, item.tenant)


def _reply(item: RoutedMessage, customer_id: ObjectId, *, now: datetime) -> NewOutbound | None:
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
