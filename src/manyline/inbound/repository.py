"""What the way in stores besides messages: statuses, raised or parked, and the quarantine."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from bson.binary import Binary
from pymongo import ASCENDING, IndexModel, UpdateOne
from pymongo.errors import BulkWriteError

from manyline.inbound.models import Quarantined, StatusChange
from manyline.infra.mongo import Collection, Database, Document, duplicate_keys, store_errors
from manyline.messages.repository import COLLECTION as MESSAGES
from manyline.messages.states import RANK, Direction, MessageStatus

PARKED_FOR = timedelta(days=7)  # As long as Meta itself repeats what was not taken.
MAX_RAW_BYTES = 1024 * 1024
"""A quarantined item is kept up to this size; its first megabyte says what it was."""

PARKED_INDEXES = [
    IndexModel(
        [("tenantId", ASCENDING), ("waMessageId", ASCENDING), ("status", ASCENDING)],
        name="natural",
        unique=True,
    ),
    IndexModel([("tryAt", ASCENDING)], name="due"),
    IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0),
]
QUARANTINE_INDEXES = [
    IndexModel([("tenantId", ASCENDING), ("createdAt", ASCENDING)], name="by_tenant"),
]


class StatusRepository:
    """Raises messages to the statuses that Meta reports."""

    def __init__(self, database: Database) -> None:
        self._messages: Collection = database[MESSAGES]

    async def raise_messages(self, changes: Sequence[StatusChange]) -> list[StatusChange]:
        """Raise each message to its status; answers the changes that found no message.

        A bulk tells only how many matched in all, so when some did not, one find tells which.
        """
        if not changes:
            return []
        with store_errors():
            matched = await self._update(changes)
            return [] if matched == len(changes) else await self._unmatched(changes)

    async def _update(self, changes: Sequence[StatusChange]) -> int:
        updates = [UpdateOne(_named(change), _raised(change)) for change in changes]
        try:
            return (await self._messages.bulk_write(updates, ordered=False)).matched_count
        except BulkWriteError as error:
            taken = duplicate_keys(error)
        # Another message has this wamid; the message that the status names is raised without it.
        for index in taken:
            change = changes[index]
            await self._messages.update_one(_named(change), _raised(change, with_wamid=False))
        return -1

    async def _unmatched(self, changes: Sequence[StatusChange]) -> list[StatusChange]:
        by_tenant: dict[ObjectId, list[StatusChange]] = {}
        for change in changes:
            by_tenant.setdefault(change.tenant_id, []).append(change)
        known: set[object] = set()
        for tenant_id, group in by_tenant.items():
            ids = [change.message_id for change in group if change.message_id is not None]
            wamids = [change.wamid for change in group if change.message_id is None]
            for field, values in (("_id", ids), ("waMessageId", wamids)):
                query = {"tenantId": tenant_id, field: {"$in": values}, "direction": "OUT"}
                if values:
                    async for document in self._messages.find(query, {field: True}):
                        known.add((tenant_id, document[field]))
        return [
            change
            for change in changes
            if (change.tenant_id, change.message_id or change.wamid) not in known
        ]


class ParkedStatusRepository:
    """Statuses whose message is not known yet."""

    def __init__(self, database: Database) -> None:
        self._parked: Collection = database["parked_statuses"]

    async def ensure_indexes(self) -> None:
        """Make the indexes; does nothing where they exist."""
        with store_errors():
            await self._parked.create_indexes(PARKED_INDEXES)

    async def park(self, changes: Sequence[StatusChange], *, now: datetime) -> None:
        """Keep these for later; the same one again changes nothing."""
        updates = [
            UpdateOne(
                {
                    "tenantId": change.tenant_id,
                    "waMessageId": change.wamid,
                    "status": change.status.value,
                },
                {"$setOnInsert": _parked_fields(change, now)},
                upsert=True,
            )
            for change in changes
        ]
        if updates:
            with store_errors():
                await self._parked.bulk_write(updates, ordered=False)

    async def due(self, *, now: datetime, limit: int) -> list[tuple[ObjectId, StatusChange]]:
        """Those whose time to try again has come, oldest first, with their own ids."""
        # all tenants: the relay's scan.
        with store_errors():
            found = self._parked.find({"tryAt": {"$lte": now}}).sort("tryAt", 1).limit(limit)
            return [(document["_id"], _from_parked(document)) async for document in found]

    async def forget(self, parked_ids: Sequence[ObjectId]) -> None:
        """Remove what found its message."""
        # all tenants: the relay names documents that it has just read.
        if parked_ids:
            with store_errors():
                await self._parked.delete_many({"_id": {"$in": list(parked_ids)}})

    async def put_off(self, parked_ids: Sequence[ObjectId], *, until: datetime) -> None:
        """Try these again later."""
        # all tenants: the relay names documents that it has just read.
        if parked_ids:
            with store_errors():
                await self._parked.update_many(
                    {"_id": {"$in": list(parked_ids)}}, {"$set": {"tryAt": until}}
                )


class QuarantineRepository:
    """Items that could not be understood or stored, as they came."""

    def __init__(self, database: Database) -> None:
        self._quarantine: Collection = database["quarantine"]

    async def ensure_indexes(self) -> None:
        """Make the indexes; does nothing where they exist."""
        with store_errors():
            await self._quarantine.create_indexes(QUARANTINE_INDEXES)

    async def keep(self, items: Sequence[Quarantined], *, now: datetime) -> None:
        """Store these; the same item again changes nothing, since Meta repeats itself."""
        if not items:
            return
        documents = {
            bytes(document["_id"]): document
            for document in (_quarantine_document(item, now) for item in items)
        }
        with store_errors():
            try:
                await self._quarantine.insert_many(list(documents.values()), ordered=False)
            except BulkWriteError as error:
                duplicate_keys(error)


def _named(change: StatusChange) -> Document:
    """The message that a change speaks of: by our id alone, or by the wamid alone.

    A late `sent` or `failed` for the wamid of an earlier round says nothing of a message that was
    replayed since; a `delivered` or `read` does: the customer has it.
    """
    query: Document = {"tenantId": change.tenant_id, "direction": Direction.OUT.value}
    if change.message_id is not None:
        query["_id"] = change.message_id
    else:
        query["waMessageId"] = change.wamid
    if RANK[change.status] <= RANK[MessageStatus.FAILED]:
        query["earlierWamids"] = {"$ne": change.wamid}
    return query


def _raised(change: StatusChange, *, with_wamid: bool = True) -> list[Document]:
    """Take the status over if it ranks higher; keep each status' own time in any case.

    Any status says that Graph took the message, so it leaves the outbox. A `failed` counts only
    for the wamid that the message goes by, and leaves its lease: the call itself may still be
    under way.
    """
    rank = RANK[change.status]
    failed = change.status is MessageStatus.FAILED
    counts: Any = {"$gt": [rank, "$statusRank"]}
    if failed:
        own_wamid = {"$eq": [{"$ifNull": ["$waMessageId", change.wamid]}, change.wamid]}
        counts = {"$and": [counts, own_wamid]}
    ends_attempt = {"$and": [counts, {"$eq": ["$status", MessageStatus.SENDING.value]}]}

    def if_counts(new: object, old: str) -> Document:
        return {"$cond": [counts, new, old]}

    at = f"statusAt.{change.status.value}"
    # Meta tells whole seconds: without a floor, `sent` would seem to come before `sending`.
    told_at = {"$max": [change.at, "$createdAt", "$statusAt.sending"]}
    fields: Document = {
        "status": if_counts(change.status.value, "$status"),
        "statusRank": if_counts(rank, "$statusRank"),
        at: {"$min": [f"${at}", told_at]},
        "dueAt": if_counts("$$REMOVE", "$dueAt"),
        "parkedUntil": if_counts("$$REMOVE", "$parkedUntil"),
        "behind": if_counts("$$REMOVE", "$behind"),
        "troubleAt": if_counts(told_at if failed else "$$REMOVE", "$troubleAt"),
        "error": if_counts({"$literal": change.error} if failed else "$$REMOVE", "$error"),
        # The answer of the send itself, when it comes later, will find the message settled.
        "attempts": {"$add": ["$attempts", {"$cond": [ends_attempt, 1, 0]}]},
    }
    if not failed:
        fields["lease"] = if_counts("$$REMOVE", "$lease")
    if with_wamid:
        fields["waMessageId"] = {"$ifNull": ["$waMessageId", change.wamid]}
    if change.pricing is not None:
        fields["pricing"] = {"$literal": change.pricing}
    return [{"$set": fields}]


def _parked_fields(change: StatusChange, now: datetime) -> Document:
    fields: Document = {
        "messageId": change.message_id,
        "at": change.at,
        "error": change.error,
        "pricing": change.pricing,
        "tryAt": now,
        "expiresAt": now + PARKED_FOR,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _from_parked(document: Document) -> StatusChange:
    return StatusChange(
        tenant_id=document["tenantId"],
        wamid=document["waMessageId"],
        message_id=document.get("messageId"),
        status=MessageStatus(document["status"]),
        at=document["at"],
        error=document.get("error"),
        pricing=document.get("pricing"),
    )


def _quarantine_document(item: Quarantined, now: datetime) -> Document:
    fields: Document = {
        "_id": Binary(hashlib.sha256(f"{item.tenant_id}/".encode() + item.raw).digest()),
        "tenantId": item.tenant_id,
        "phoneNumberId": item.phone_number_id,
        "reason": item.reason,
        "raw": Binary(item.raw[:MAX_RAW_BYTES]),
        "createdAt": now,
    }
    return {key: value for key, value in fields.items() if value is not None}
