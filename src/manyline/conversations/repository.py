"""Conversations in MongoDB; every change is safe to repeat and to apply in any order.

The list is newest first, and an index on the time of the last message would be written anew with
every message. `activeHour` is that time cut to the hour: its index changes once an hour for each
conversation, and the server sorts the conversations of an hour when the list is asked for.

Where a customer was merged into another, their conversation is deleted, and who asks for it by its
old id is answered with the other's.
"""

from collections.abc import Collection as AnyCollection
from collections.abc import Iterable, Sequence
from dataclasses import replace
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
from manyline.customers.repository import CustomerRepository
from manyline.infra.mongo import Collection, Database, Document, duplicate_keys, store_errors
from manyline.infra.one_wait import writing

COLLECTION = "conversations"
INDEXES = [IndexModel([("tenantId", ASCENDING), ("activeHour", DESCENDING)], name="active")]
NEWEST_FIRST = [("lastMessage.at", DESCENDING), ("_id", DESCENDING)]
NOT_OURS = "this cursor is not one of ours; ask for the list without a cursor"
NOT_FOUND = "this tenant has no conversation with this id"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


class ConversationRepository:
    """Reads and writes `conversations`."""

    def __init__(self, database: Database) -> None:
        self._conversations: Collection = database[COLLECTION]
        self._customers = CustomerRepository(database)

    async def ensure_indexes(self) -> None:
        """Make the indexes; does nothing where they exist."""
        with store_errors():
            await self._conversations.create_indexes(INDEXES)

    async def record(
        self, turns: Iterable[Turn], *, first_met: AnyCollection[ObjectId] = frozenset()
    ) -> set[ObjectId]:
        """Note what was said last and until when the window is open; makes missing ones.

        `first_met` names conversations that cannot be there yet, as far as the caller knows:
        nobody asks for those first.

        Answers the conversations that had to be made. Their customers may have been merged into
        others meanwhile: call it after the messages are stored, and hand the answer to
        `CustomerService.reunite`.
        """
        latest: dict[tuple[ObjectId, bool, bool], Turn] = {}
        for turn in turns:
            key = (turn.conversation_id, turn.inbound, turn.opens_window)
            latest[key] = _later(latest[key], turn) if key in latest else turn
        opening = {t.conversation_id: t for t in latest.values() if t.conversation_id in first_met}
        known = [t for t in latest.values() if opening.get(t.conversation_id) is not t]
        with store_errors():
            known += await self._open(list(opening.values()))
            return opening.keys() | await self._move_on(known)

    async def _open(self, turns: Sequence[Turn]) -> list[Turn]:
        """Insert conversations; answers the turns of those that were there after all."""
        if not turns:
            return []
        try:
            await writing(self._conversations).insert_many(
                [_opened(t) for t in turns], ordered=False
            )
        except BulkWriteError as error:
            return [turns[index] for index in duplicate_keys(error)]
        return []

    async def _move_on(self, turns: Sequence[Turn]) -> set[ObjectId]:
        """Makes those that are missing, and answers them."""
        missing: set[ObjectId] = set()
        while turns:
            # all tenants: the id is the customer's own, found under its tenant. A filter on _id
            # alone is not planned: 38 µs of mongod's CPU a turn, against 104 with the tenant
            # (measured, of upserts). One that named no tenant could not go to shards.
            updates = [
                UpdateOne({"_id": turn.conversation_id}, {"$max": _newest(turn)}) for turn in turns
            ]
            result = await writing(self._conversations).bulk_write(updates, ordered=False)
            if result.matched_count == len(turns):
                break
            absent = await self._absent(turn.conversation_id for turn in turns)
            missing |= absent
            first = {turn.conversation_id: turn for turn in turns if turn.conversation_id in absent}
            # All others again: which of them found theirs is not told, and twice does no harm.
            turns = await self._open(list(first.values())) + [
                turn for turn in turns if first.get(turn.conversation_id) is not turn
            ]
        return missing

    async def _absent(self, conversation_ids: Iterable[ObjectId]) -> set[ObjectId]:
        # all tenants: as in `_move_on`.
        asked = set(conversation_ids)
        found = self._conversations.find({"_id": {"$in": list(asked)}}, {"_id": True})
        return asked - {each["_id"] async for each in found}

    async def windows(self, conversation_ids: Sequence[ObjectId]) -> dict[ObjectId, datetime]:
        """Until when these conversations' 24-hour windows are, or were, open; of any tenants.

        One whose customer never wrote has no window that is known, and is left out.
        """
        # all tenants: each id is the customer's own, found under its tenant, as in `_move_on`.
        query = {"_id": {"$in": list(conversation_ids)}, "windowExpiresAt": {"$exists": True}}
        with store_errors():
            found = self._conversations.find(query, {"windowExpiresAt": True})
            return {each["_id"]: each["windowExpiresAt"] async for each in found}

    async def get(self, tenant_id: ObjectId, conversation_id: ObjectId) -> Conversation:
        """One conversation of a tenant; raises `ConversationNotFoundError`.

        Of a customer who was merged, the other's: its `id` is another than the one asked for.
        """
        query = {"tenantId": tenant_id, "_id": conversation_id}
        with store_errors():
            document = await self._conversations.find_one(query)
        if document is None:
            return await self.get(tenant_id, await self._other(tenant_id, conversation_id))
        return _from_document(document)

    async def _other(self, tenant_id: ObjectId, conversation_id: ObjectId) -> ObjectId:
        """The conversation that a merged customer's is part of now."""
        now_is = await self._customers.followed(tenant_id, conversation_id)
        if now_is == conversation_id:
            raise ConversationNotFoundError(NOT_FOUND)
        return now_is

    async def list_page(
        self, tenant_id: ObjectId, *, limit: int, cursor: str | None
    ) -> Page[Conversation]:
        """A tenant's conversations, the one with the newest message first.

        At most `limit + 1` documents come here. The server looks at every conversation of the
        hours that fill the page, and keeps the first of them while it sorts: 50,000 that were
        active within one hour cost it some 0.1 s, a quiet hour nothing.
        """
        found: list[Document] = []
        hours: Document = {}
        with store_errors():
            if cursor:
                at, last = _position(cursor)
                found = await self._newest(tenant_id, _said_before(tenant_id, at, last), limit + 1)
                hours = {"$lt": hour_of(at)}
            missing = limit + 1 - len(found)
            if missing:
                query = await self._hours(tenant_id, hours, missing)
                found += await self._newest(tenant_id, query, missing)
        page = [_from_document(document) for document in found[:limit]]
        return Page(page, _cursor(page[-1]) if len(found) > limit else None)

    async def _hours(self, tenant_id: ObjectId, hours: Document, count: int) -> Document:
        """The newest hours that hold `count` conversations; read from the index alone."""
        query: Document = {"tenantId": tenant_id}
        if hours:
            query["activeHour"] = hours
        newest = self._conversations.find(query, {"_id": False, "activeHour": True})
        async for last in newest.sort("activeHour", DESCENDING).skip(count - 1).limit(1):
            return query | {"activeHour": hours | {"$gte": last["activeHour"]}}
        return query

    async def _newest(self, tenant_id: ObjectId, query: Document, count: int) -> list[Document]:
        """The `count` of these whose last message is newest; the server sorts no more than that."""
        asked: Document = {**query, "tenantId": tenant_id}
        newest = self._conversations.find(asked).sort(NEWEST_FIRST).limit(count)
        return [document async for document in newest]

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
            other = await self._other(tenant_id, conversation_id)
            return await self.mark_read(tenant_id, other, at=at)
        return _from_document(document)


def _later(one: Turn, other: Turn) -> Turn:
    """The one said last, with the time at which the last of both came in.

    Meta tells whole seconds: of two in one, that which `$max` takes when each comes by itself.
    """
    later = max(one, other, key=lambda turn: (turn.at, turn.preview[:PREVIEW_LENGTH]))
    return replace(later, received_at=max(_received(one), _received(other)))


def _received(turn: Turn) -> datetime:
    return turn.received_at or turn.at


def _opened(turn: Turn) -> Document:
    """A conversation in which nothing else was said."""
    return {
        "_id": turn.conversation_id,
        "tenantId": turn.tenant_id,
        "status": "open",
        "createdAt": turn.at,
        **_newest(turn),
    }


def _newest(turn: Turn) -> Document:
    """For `$max` alone: `lastMessage` is compared as a whole, its time first."""
    newest: Document = {
        "lastMessage": {
            "at": turn.at,
            "direction": "IN" if turn.inbound else "OUT",
            "preview": turn.preview[:PREVIEW_LENGTH],
        },
        "activeHour": hour_of(turn.at),
    }
    if turn.inbound and turn.opens_window:
        newest["lastInboundAt"] = turn.at
        newest["lastReceivedAt"] = _received(turn)
        newest["windowExpiresAt"] = turn.at + WINDOW
    return newest


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
        last_received_at=document.get("lastReceivedAt"),
        window_expires_at=document.get("windowExpiresAt"),
        read_at=document.get("readAt"),
        assignee=document.get("assignee"),
    )


def _said_before(tenant_id: ObjectId, at: datetime, conversation_id: ObjectId) -> Document:
    """Those of the same hour that stand after a position of the list."""
    earlier: list[Document] = [
        {"lastMessage.at": {"$lt": at}},
        {"lastMessage.at": at, "_id": {"$lt": conversation_id}},
    ]
    return {"tenantId": tenant_id, "activeHour": hour_of(at), "$or": earlier}


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
