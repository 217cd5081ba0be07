"""Messages as MongoDB keeps them, and back."""

from datetime import datetime
from typing import Any
from zlib import crc32

from bson import Timestamp
from bson.raw_bson import RawBSONDocument

from manyline.infra.documents import as_it_came, encode_document
from manyline.messages.models import HISTORY, Message, NewElsewhere, NewInbound, NewOutbound
from manyline.messages.states import RANK, Direction, MessageStatus

Document = dict[str, Any]


def inbound_document(message: NewInbound) -> RawBSONDocument:
    """A customer's message as stored; raises `UnstorableError`."""
    document: Document = {
        **_common(message, Direction.IN),
        "waMessageId": message.wamid,
        "status": MessageStatus.RECEIVED.value,
        "statusAt": {"received": message.created_at},
        "source": "webhook",
        "sentAt": message.sent_at,
    }
    if message.sender is not None:
        document["from"] = message.sender
    if message.about_wamid is not None:
        document["aboutWamid"] = message.about_wamid
    return encode_document(document)


def elsewhere_document(message: NewElsewhere) -> RawBSONDocument:
    """A message said elsewhere; without `dueAt` and without a key it is in no outbox.

    Raises `UnstorableError`.
    """
    return encode_document(elsewhere_fields(message))


def elsewhere_fields(message: NewElsewhere) -> Document:
    """As `elsewhere_document`, not encoded yet."""
    direction = Direction.OUT if message.outgoing else Direction.IN
    fields: Document = {
        **_common(message, direction),
        "waMessageId": message.wamid,
        "status": message.status.value,
        "source": message.source,
        "sentAt": message.sent_at,
    }
    if message.outgoing:
        at = {MessageStatus.SENT.value: message.sent_at, message.status.value: message.sent_at}
        fields |= {"statusRank": RANK[message.status], "statusAt": at, "attempts": 0}
    else:
        fields["statusAt"] = {"received": message.created_at}
    if message.source == HISTORY:
        fields["seq"] = _place_in_the_past(message)
    if message.person is not None:
        fields["to" if message.outgoing else "from"] = message.person
    if message.about_wamid is not None:
        fields["aboutWamid"] = message.about_wamid
    return fields


def _place_in_the_past(message: NewElsewhere) -> Timestamp:
    """Among the messages of its own second, in an order that is the same every time.

    Lists are read on by `seq` alone, so two should not have the same one.
    """
    second = max(1, int(message.sent_at.timestamp()))
    return Timestamp(min(second, 2**32 - 1), 1 + crc32(message.wamid.encode()) % (2**32 - 2))


def outbound_document(message: NewOutbound) -> RawBSONDocument:
    """A message for the outbox, due at once; raises `UnstorableError`."""
    document: Document = {
        **_common(message, Direction.OUT),
        "to": message.recipient,
        "status": MessageStatus.QUEUED.value,
        "statusRank": RANK[MessageStatus.QUEUED],
        "statusAt": {"queued": message.created_at},
        "source": message.source,
        "idempotencyKey": message.idempotency_key,
        "attempts": 0,
        "dueAt": message.created_at,
    }
    if message.request_hash is not None:
        document["requestHash"] = message.request_hash
    return encode_document(document)


def _common(message: NewInbound | NewOutbound | NewElsewhere, direction: Direction) -> Document:
    return {
        "_id": message.id,
        "tenantId": message.tenant_id,
        "conversationId": message.conversation_id,
        "phoneNumberId": message.phone_number_id,
        "seq": Timestamp(0, 0),  # The server fills it in: the order of acceptance.
        "direction": direction.value,
        "type": message.type,
        "body": message.body,
        "content": message.content,
        "createdAt": message.created_at,
    }


def message_from(document: Document) -> Message:
    return Message(
        id=document["_id"],
        tenant_id=document["tenantId"],
        conversation_id=document["conversationId"],
        direction=Direction(document["direction"]),
        status=MessageStatus(document["status"]),
        type=document["type"],
        body=document["body"],
        content=as_it_came(document["content"]),
        source=document["source"],
        status_at=document["statusAt"],
        created_at=document["createdAt"],
        wamid=document.get("waMessageId"),
        sender=document.get("from"),
        recipient=document.get("to"),
        idempotency_key=document.get("idempotencyKey"),
        request_hash=document.get("requestHash"),
        attempts=document.get("attempts", 0),
        next_attempt_at=_next_attempt_at(document),
        error=document.get("error"),
        pricing=document.get("pricing"),
        history=tuple(document.get("history", ())),
        behind=document.get("behind", False),
        parked_until=document.get("parkedUntil"),
        sent_at=document.get("sentAt"),
        about_wamid=document.get("aboutWamid"),
    )


def _next_attempt_at(document: Document) -> datetime | None:
    if document["status"] != MessageStatus.QUEUED:
        return None
    return document.get("dueAt") or document.get("parkedUntil")
