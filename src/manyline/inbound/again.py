"""Messages of which Meta tells a second time, in another way.

The same message may come live and as part of the history that a business shares, and a picture of
the past comes after a placeholder for it; in any order. What is whole counts: live before past,
past before a placeholder. And each telling may know better how far a message had got.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime

from bson import ObjectId

from manyline.inbound.drafts import elsewhere, goes_out, reached
from manyline.inbound.models import RoutedElsewhere, RoutedMessage, StatusChange
from manyline.infra.mongo import Collection, Database, Document, store_errors
from manyline.messages.documents import elsewhere_fields
from manyline.messages.models import HISTORY
from manyline.messages.repository import COLLECTION
from manyline.messages.states import Direction, MessageStatus
from manyline.meta.webhook import PastMessage

Told = RoutedMessage | RoutedElsewhere
Place = tuple[ObjectId, str]
"""A tenant's id and a wamid."""

PLACEHOLDER = "media_placeholder"
"""Meta's type of a past message whose picture, sound or file comes in a webhook of its own."""

# What a live message brings; all else of the document stays.
TAKEN_OVER = ("type", "body", "content", "sentAt", "source", "from", "to", "aboutWamid")


SHOWN = ("tenantId", "waMessageId", "source", "type", "direction")
# A file of the past comes by itself; its placeholder stands in a thread, which knows who said it.
WHO_SAID_IT = ("direction", "status", "statusRank", "statusAt", "attempts", "from", "to")


class ToldAgain:
    """Brings messages that were stored before to what they would be, had they come first."""

    def __init__(self, database: Database) -> None:
        self._messages: Collection = database[COLLECTION]

    async def told(
        self, again: Sequence[tuple[int, Told]], *, now: datetime
    ) -> list[tuple[int, StatusChange]]:
        """Let whole ones take the place of others; answers the statuses that are told besides.

        Raises `StoreUnavailableError`.
        """
        whole: dict[Place, Told] = {}
        placeholders: dict[Place, RoutedElsewhere] = {}
        for _, item in again:
            place = (item.tenant.id, item.message.wamid)
            if isinstance(item, RoutedElsewhere) and item.message.type == PLACEHOLDER:
                placeholders[place] = item
            elif place not in whole or not _is_past(item):
                whole[place] = item
        await self._take_over(whole, placeholders, now=now)
        return [(place, change) for place, item in again for change in _how_far(item)]

    async def _take_over(
        self,
        whole: Mapping[Place, Told],
        placeholders: Mapping[Place, RoutedElsewhere],
        *,
        now: datetime,
    ) -> None:
        with store_errors():
            async for document in self._past_ones(whole.keys() | placeholders.keys()):
                item = whole.get(_place(document))
                if item is not None and (not _is_past(item) or document["type"] == PLACEHOLDER):
                    query, update = _taken_over(document, item, now=now)
                    await self._messages.update_one(query, update)
                told = placeholders.get(_place(document))
                if told is not None and (document["direction"] == Direction.OUT) != goes_out(told):
                    query, update = _turned(document, told, now=now)
                    await self._messages.update_one(query, update)

    async def _past_ones(self, places: Iterable[Place]) -> AsyncIterator[Document]:
        by_tenant: dict[ObjectId, list[str]] = {}
        for tenant_id, wamid in places:
            by_tenant.setdefault(tenant_id, []).append(wamid)
        branches = [
            {"tenantId": tenant_id, "waMessageId": {"$in": wamids}}
            for tenant_id, wamids in by_tenant.items()
        ]
        fields = dict.fromkeys(SHOWN, True)
        async for document in self._messages.find({"$or": branches}, fields, hint="wamid"):
            if document["source"] == HISTORY:
                yield document


def _place(document: Document) -> Place:
    return document["tenantId"], document["waMessageId"]


def _is_past(item: Told) -> bool:
    return isinstance(item.message, PastMessage)


def _taken_over(document: Document, item: Told, *, now: datetime) -> tuple[Document, Document]:
    query = {"_id": document["_id"], "tenantId": document["tenantId"], "source": HISTORY}
    if not _is_past(item):
        update = _live_fields(item, now=now)
        if (document["direction"] == Direction.OUT) != _goes_out(item):
            _turn(update, _who_said(item, now=now))
        return query | {"direction": document["direction"]}, update
    message = item.message
    told = {"type": message.type, "body": message.body, "content": item.content}
    return query | {"type": PLACEHOLDER}, {"$set": told}


def _turned(
    document: Document, item: RoutedElsewhere, *, now: datetime
) -> tuple[Document, Document]:
    query = {
        "_id": document["_id"],
        "tenantId": document["tenantId"],
        "source": HISTORY,
        "direction": document["direction"],
    }
    update: Document = {}
    _turn(update, _who_said(item, now=now))
    return query, update


def _turn(update: Document, fields: Document) -> None:
    """Let the update say that it was the other side who wrote it."""
    told = {name: fields[name] for name in WHO_SAID_IT if name in fields}
    update.pop("$min", None)  # All of `statusAt` is written.
    update["$set"] = update.get("$set", {}) | told
    update["$unset"] = {name: "" for name in WHO_SAID_IT if name not in fields}


def _goes_out(item: Told) -> bool:
    return isinstance(item, RoutedElsewhere) and goes_out(item)


def _who_said(item: Told, *, now: datetime) -> Document:
    """What a document says of its author, and how far it had got."""
    if isinstance(item, RoutedElsewhere):
        return elsewhere_fields(elsewhere(item, ObjectId(), now=now))
    fields: Document = {"direction": Direction.IN.value, "status": MessageStatus.RECEIVED.value}
    fields["statusAt"] = {"received": now}
    return fields | ({"from": item.message.sender} if item.message.sender is not None else {})


def _live_fields(item: Told, *, now: datetime) -> Document:
    if isinstance(item, RoutedElsewhere):
        fields = elsewhere_fields(elsewhere(item, ObjectId(), now=now))
        told = {name: fields[name] for name in TAKEN_OVER if name in fields}
        return {"$set": told, "$min": {"statusAt.sent": item.said_at}}
    message = item.message
    told = {
        "type": message.type,
        "body": message.body,
        "content": item.content,
        "sentAt": item.said_at,
        "source": "webhook",
    }
    if message.sender is not None:
        told["from"] = message.sender
    if message.about is not None:
        told["aboutWamid"] = message.about.wamid
    return {"$set": told}


def _how_far(item: Told) -> list[StatusChange]:
    """What a telling of the past says of a message of the business."""
    if not isinstance(item, RoutedElsewhere) or not goes_out(item):
        return []
    change = StatusChange(
        tenant_id=item.tenant.id,
        wamid=item.message.wamid,
        message_id=None,
        status=reached(item),
        at=item.said_at,
    )
    return [change] if change.status is not MessageStatus.SENT else []
