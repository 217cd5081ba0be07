"""What a merge does inside its transaction; `messages.merging` says when and why.

All of it reads anew what it goes by, so it may run again from its start.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from bson import ObjectId, Timestamp

from manyline.base.clock import Clock
from manyline.conversations.merging import folded
from manyline.conversations.repository import COLLECTION as CONVERSATIONS
from manyline.customers.merging import (
    PERSONAL,
    has_news,
    is_former_owner,
    joined,
    not_yet_left,
    oldest_first,
    relocated,
    signpost,
    without,
)
from manyline.customers.models import Moved
from manyline.customers.repository import COLLECTION as CUSTOMERS
from manyline.infra import mongo
from manyline.infra.mongo import Database, Document
from manyline.infra.transactions import Session
from manyline.messages.repository import COLLECTION as MESSAGES

FIRST_SWEEP_AFTER = timedelta(seconds=10)
NO_TENANT = ObjectId(bytes(12))
CLOSED = "closed"
FIRST = Timestamp(0, 1)  # Before every message: none is from 1970.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
UNSETTLED = {"$exists": True}

Merged = dict[ObjectId, ObjectId]
"""Customers that were merged, and into whom."""


class Absorption:
    """Makes one customer of several, each step within the caller's transaction."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._customers: mongo.Collection = database[CUSTOMERS]
        self._conversations: mongo.Collection = database[CONVERSATIONS]
        self._messages: mongo.Collection = database[MESSAGES]
        self._clock = clock

    async def holders(
        self, session: Session, tenant_id: ObjectId, identities: Iterable[str]
    ) -> list[Document]:
        """The customers under any of these identities."""
        query = {"tenantId": tenant_id, "identities": {"$in": list(identities)}}
        found = self._customers.find(query, session=session, hint="identities")
        return [document async for document in found]

    async def to_one(
        self, session: Session, tenant_id: ObjectId, documents: Iterable[Document]
    ) -> Merged:
        """The oldest stays and takes over what is the others'; answers who is gone."""
        kept, *others = oldest_first(documents) or [{}]
        merged: Merged = {}
        for gone in others:
            post = signpost(
                gone["_id"], kept["_id"], sweep_at=self._clock.now() + FIRST_SWEEP_AFTER
            )
            await self._customers.update_one(
                {"_id": gone["_id"], "tenantId": tenant_id}, post, session=session
            )
            await self.absorb(session, tenant_id, gone, kept["_id"])
            merged[gone["_id"]] = kept["_id"]
        return merged

    async def move(self, session: Session, moved: Moved) -> Merged:
        """Bring the customer of a move under the new identities; answers who is gone."""
        tenant_id = moved.tenant_id
        found = await self.holders(session, tenant_id, {*moved.old, *moved.new})
        under_new = [one for one in found if set(one["identities"]) & set(moved.new)]
        fresh = not_yet_left(under_new, moved)
        if moved.left and not fresh:
            return {}
        # What was left at an earlier telling may be somebody else's by now.
        names = set(moved.old) - (set(moved.left) - set(fresh))
        one_person = []
        for document in found:
            under_old = bool(set(document["identities"]) & names)
            if not under_old and is_former_owner(document, moved):
                await self._set(session, document, without(document, moved.new))
            elif under_old or document in under_new:
                one_person.append(document)
        if not one_person:
            await self._customers.insert_one(self._arrived(moved), session=session)
            return {}
        merged = await self.to_one(session, tenant_id, one_person)
        kept = await self._customers.find_one(
            {"_id": oldest_first(one_person)[0]["_id"], "tenantId": tenant_id}, session=session
        )
        if kept is not None:
            await self._set(session, kept, relocated(kept, moved, names))
        return merged

    def _arrived(self, moved: Moved) -> Document:
        """Somebody whom we know from this move alone."""
        customer: Document = {
            "_id": ObjectId(),
            "tenantId": moved.tenant_id,
            "identities": [],
            "createdAt": self._clock.now(),
        }
        return customer | relocated(customer, moved, moved.old)

    async def _set(self, session: Session, document: Document, fields: Document) -> None:
        await self._customers.update_one(
            {"_id": document["_id"], "tenantId": document["tenantId"]},
            {"$set": fields},
            session=session,
        )

    async def absorb(
        self,
        session: Session,
        tenant_id: ObjectId,
        gone: Document,
        kept_id: ObjectId,
        *,
        again: bool = False,
    ) -> None:
        """All that is one customer's becomes another's, but for its settled messages."""
        await self._join(session, tenant_id, gone, kept_id, again=again)
        await self._close_line(session, gone["_id"])
        await self._move_line(session, tenant_id, gone["_id"], kept_id)
        await self._fold_conversation(session, tenant_id, gone["_id"], kept_id)

    async def _join(
        self,
        session: Session,
        tenant_id: ObjectId,
        gone: Document,
        kept_id: ObjectId,
        *,
        again: bool,
    ) -> None:
        """Once more: what was written to the signpost since."""
        if again and not has_news(gone):
            return
        query = {"_id": kept_id, "tenantId": tenant_id}
        kept = await self._customers.find_one(query, session=session)
        update = joined(kept or {}, gone)
        if update:
            await self._customers.update_one(query, update, session=session)
        if again:
            bare: Document = {"$unset": dict.fromkeys(PERSONAL, "")}
            await self._customers.update_one(
                {"_id": gone["_id"], "tenantId": tenant_id}, bare, session=session
            )

    async def _close_line(self, session: Session, gone_id: ObjectId) -> None:
        """No tenant's, so in no list; `closed`, so nobody claims it; with `dueAt`, so in line."""
        # all tenants: the marker is nobody's.
        marker: Document = {
            "conversationId": gone_id,
            "seq": FIRST,
            "status": CLOSED,
            "dueAt": NEVER,
        }
        await self._messages.update_one(
            {"_id": gone_id, "tenantId": NO_TENANT},
            {"$setOnInsert": marker},
            upsert=True,
            session=session,
        )

    async def _move_line(
        self, session: Session, tenant_id: ObjectId, gone: ObjectId, kept: ObjectId
    ) -> None:
        """Into the other's line, each at the place that its acceptance gives it.

        Those that were parked behind others are due: whom they stood behind may be another.
        """
        line = {"tenantId": tenant_id, "conversationId": gone, "dueAt": UNSETTLED}
        due_at = {"$cond": [{"$eq": ["$behind", True]}, self._clock.now(), "$dueAt"]}
        update: list[Document] = [
            {"$set": {"conversationId": kept, "dueAt": due_at}},
            {"$unset": "behind"},
        ]
        await self._messages.update_many(line, update, hint="line", session=session)

    async def _fold_conversation(
        self, session: Session, tenant_id: ObjectId, gone_id: ObjectId, kept_id: ObjectId
    ) -> None:
        """One conversation of two. The other's is deleted: if it comes back, somebody was late."""
        gone = await self._conversations.find_one_and_delete(
            {"_id": gone_id, "tenantId": tenant_id}, session=session
        )
        if gone is None:
            return
        query = {"_id": kept_id, "tenantId": tenant_id}
        kept = await self._conversations.find_one(query, session=session)
        update = folded(kept, gone, tenant_id=tenant_id)
        update.get("$setOnInsert", {}).pop("tenantId", None)  # The filter has it.
        await self._conversations.update_one(query, update, upsert=True, session=session)
