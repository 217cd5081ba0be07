"""Dead letters and doubts in the store: which there are, and the two moves a person may ask for.

One `find_one_and_update` a message, not one update for all: the driver repeats it safely when a
connection breaks (never an update of many), and each answers by itself whether it was won.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from manyline.infra.mongo import Collection, Database, Document, store_errors
from manyline.messages.documents import message_from
from manyline.messages.models import Message
from manyline.messages.repository import COLLECTION
from manyline.messages.troubles import Troubles
from manyline.sending.transitions import marked_sent, replayed

AS_IT_IS_NOW = True  # The driver's `ReturnDocument.AFTER`.


@dataclass(frozen=True, slots=True)
class Standing:
    """A message as it stands, and until when a call of it may be under way."""

    message: Message
    call_until: datetime | None


class TroubleRepository:
    """Each move is one conditional update; None says that it was not made."""

    def __init__(self, database: Database) -> None:
        self._messages: Collection = database[COLLECTION]

    async def oldest(self, tenant_id: ObjectId, wanted: Troubles, *, limit: int) -> list[ObjectId]:
        """A tenant's messages in trouble, the longest in it first."""
        query = {"tenantId": tenant_id, **wanted.conditions()}
        with store_errors():
            found = self._messages.find(query, {"_id": True}, hint="trouble")
            ordered = found.sort([("troubleAt", 1), ("_id", 1)]).limit(limit)
            return [document["_id"] async for document in ordered]

    async def replay(
        self,
        tenant_id: ObjectId,
        message_id: ObjectId,
        *,
        among: Troubles | None,
        at: datetime,
        expires_at: datetime,
        by: str,
    ) -> Message | None:
        """Queue it again, if it may be and is (still) one of `among`."""
        condition, update = replayed(at=at, expires_at=expires_at, by=by)
        query = {**_named(tenant_id, message_id), **condition}
        return await self._moved(_within(query, among), update)

    async def mark_sent(
        self,
        tenant_id: ObjectId,
        message_id: ObjectId,
        *,
        among: Troubles | None,
        at: datetime,
        by: str,
    ) -> Message | None:
        """Take a person's word that it arrived, if it is in doubt and (still) one of `among`."""
        condition, update = marked_sent(at=at, by=by)
        query = {**_named(tenant_id, message_id), **condition}
        return await self._moved(_within(query, among), update)

    async def standing(
        self, tenant_id: ObjectId, message_ids: Sequence[ObjectId]
    ) -> dict[ObjectId, Standing]:
        """Those of these messages that the tenant has, as they stand."""
        query = {"tenantId": tenant_id, "_id": {"$in": list(message_ids)}}
        with store_errors():
            found = self._messages.find(query, hint="_id_")
            return {document["_id"]: _standing(document) async for document in found}

    async def _moved(self, query: Document, update: Document | list[Document]) -> Message | None:
        with store_errors():
            document = await self._messages.find_one_and_update(
                query, update, hint="_id_", return_document=AS_IT_IS_NOW
            )
        return message_from(document) if document else None


def _named(tenant_id: ObjectId, message_id: ObjectId) -> Document:
    return {"tenantId": tenant_id, "_id": message_id}


def _within(query: Document, among: Troubles | None) -> Document:
    return query if among is None else {"$and": [query, among.conditions()]}


def _standing(document: Document) -> Standing:
    lease = document.get("lease") or {}
    return Standing(message=message_from(document), call_until=lease.get("expiresAt"))
