"""Conversations in MongoDB; every change is safe to repeat and to apply in any order.

The list is newest first, and an index on the time of the last message would be written anew with
every message. `activeHour` is that time cut to the hour: its index changes once an hour for each
conversation, and the list sorts the conversations of one hour when it is asked for.
"""

from collections.abc import Collection as AnyCollection
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError

from manyline.base.paging import BadCursorError, Page, decode_cursor, encode_cursor
from manyline.conversations.models import (
    PREVIEW_LENGTH,
    WINDOW,
    Conversation,
    ConversationNotFoundError,
    LastMessage,
    Turn,
    hour_of,
)
from manyline.infra.mongo import Collection, Database, Document, duplicate_keys, store_errors

INDEXES = [IndexModel([("tenantId", ASCENDING), ("activeHour", DESCENDING)], name="active")]
NOT_OURS = "this cursor is not one of ours; ask for the list without a cursor"
NOT_FOUND = "this tenant has no conversation with this id"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


class ConversationRepository:
    """Reads and writes `conversations`."""

    def __init__(self, database: Database) -> None:
        self._conversations: Collection = database["conversations"]

    async def ensure_indexes(self) -> None:
        """Make the indexes; does nothing where they exist."""
        with store_errors():
            await self._conversations.create_indexes(INDEXES)

    async def record(
        self, turns: Iterable[Turn], *, first_met: AnyCollection[ObjectId] = frozenset()
    ) -> None:
        """Note what was said last and until when the window is open; makes missing ones.

        `first_met` names conversations that cannot be there yet, as far as the caller knows:
        they are inserted, which costs a third of an upsert.
        """
        latest: dict[tuple[ObjectId, bool], Turn] = {}
        for turn in turns:
            key = (turn.conversation_id, turn.inbound)
            if key not in latest or latest[key].at <= turn.at:
                latest[key] = turn
        opening = {t.conversation_id: t for t in latest.values() if t.conversation_id in first_met}
        known = [t for t in latest.values() if opening.get(t.conversation_id) is not t]
        with store_errors():
            known += await self._open(list(opening.values()))
            await self._move_on(known)

    async def _open(self, turns: Sequence[Turn]) -> list[Turn]:
        """Insert conversations; answers the turns of those that were there after all."""
        if not turns:
            return []
        try:
            await self._conversations.insert_many([_opened(t) for t in turns], ordered=False)
        except BulkWriteError as error:
            return [turns[index] for index in duplicate_keys(error)]
        return []

    async def _move_on(self, turns: Sequence[Turn]) -> None:
        # all tenants: the id is the customer's own, found under its tenant. A filter on _id alone
        # is not planned: 38 µs of mongod's CPU an upsert, against 104 with the tenant (measured).
        updates = [
            UpdateOne({"_id": turn.conversation_id}, _said(turn), upsert=True) for turn in turns
        ]
        if not updates:
            return
        try:
            await self._conversations.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            # Another process made the conversation at the same moment: now it is there.
            raced = [updates[index] for index in duplicate_keys(error)]
            await self._conversations.bulk_write(raced, ordered=False)

    async def get(self, tenant_id: ObjectId, conversation_id: ObjectId) -> Conversation:
        """One conversation of a tenant; raises `ConversationNotFoundError`."""
        query = {"tenantId": tenant_id, "_id": conversation_id}
        with store_errors():
            document = await self._conversations.find_one(query)
        if document is None:
            raise ConversationNotFoundError(NOT_FOUND)
        return _from_document(document)

    async def list_page(
        self, tenant_id: ObjectId, *, limit: int, cursor: str | None
    ) -> Page[Conversation]:
        """A tenant's conversations, the one with the newest message first.

        Reads whole hours, newest first, until the page is full.
        """
        query: Document = {"tenantId": tenant_id}
        if cursor:
            query |= _said_before(*_position(cursor))
        found: list[Conversation] = []
        hour: datetime | None = None
        with store_errors():
            async with self._conversations.find(query).sort("activeHour", DESCENDING) as documents:
                async for document in documents:
                    if len(found) > limit and document.get("activeHour") != hour:
                        break
                    hour = document.get("activeHour")
                    found.append(_from_document(document))
        found.sort(key=lambda one: (one.last_message.at, one.id), reverse=True)
        more = len(found) > limit
        return Page(found[:limit], _cursor(found[limit - 1]) if more else None)

    async def mark_read(
        self, tenant_id: ObjectId, conversation_id: ObjectId, *, at: datetime
    ) -> Conversation:
        """Everything up to `at` has been read; never moves back.

        Raises `ConversationNotFoundError`.
        """
        with store_errors():
            document = await self._conversations.find_one_and_update(
                {"tenantId": tenant_id, "_id": conversation_id},
                {"$max": {"readAt": at}},
                return_document=ReturnDocument.AFTER,
            )
        if document is None:
            raise ConversationNotFoundError(NOT_FOUND)
        return _from_document(document)


def _opened(turn: Turn) -> Document:
    """What an upsert of the first turn would make."""
    said = _said(turn)
    return {"_id": turn.conversation_id, **said["$setOnInsert"], **said["$max"]}


def _said(turn: Turn) -> Document:
    """Only `$max`: `lastMessage` is compared as a whole, its time first, so the newest wins."""
    newest: Document = {
        "lastMessage": {
            "at": turn.at,
            "direction": "IN" if turn.inbound else "OUT",
            "preview": turn.preview[:PREVIEW_LENGTH],
        },
        "activeHour": hour_of(turn.at),
    }
    if turn.inbound:
        newest["lastInboundAt"] = turn.at
        newest["windowExpiresAt"] = turn.at + WINDOW
    return {
        "$max": newest,
        "$setOnInsert": {"tenantId": turn.tenant_id, "status": "open", "createdAt": turn.at},
    }


def _from_document(document: Document) -> Conversation:
    last = document["lastMessage"]
    return Conversation(
        id=document["_id"],
        tenant_id=document["tenantId"],
        status=document["status"],
        last_message=LastMessage(
            at=last["at"], direction=last["direction"], preview=last["preview"]
        ),
        created_at=document["createdAt"],
        last_inbound_at=document.get("lastInboundAt"),
        window_expires_at=document.get("windowExpiresAt"),
        read_at=document.get("readAt"),
        assignee=document.get("assignee"),
    )


def _said_before(at: datetime, conversation_id: ObjectId) -> Document:
    """Those that stand after a position of the list."""
    earlier: list[Document] = [
        {"lastMessage.at": {"$lt": at}},
        {"lastMessage.at": at, "_id": {"$lt": conversation_id}},
    ]
    return {"activeHour": {"$lte": hour_of(at)}, "$or": earlier}


def _cursor(last: Conversation) -> str:
    milliseconds = (last.last_message.at - EPOCH) // MILLISECOND
    return encode_cursor(milliseconds.to_bytes(8, signed=True) + last.id.binary)


def _position(cursor: str) -> tuple[datetime, ObjectId]:
    raw = decode_cursor(cursor, size=20)
    milliseconds = int.from_bytes(raw[:8], signed=True)
    try:
        return EPOCH + milliseconds * MILLISECOND, ObjectId(raw[8:])
    except OverflowError:
        raise BadCursorError(NOT_OURS) from None
