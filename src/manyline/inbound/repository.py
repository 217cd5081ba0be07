"""Statuses that are parked: their message is not known yet."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, UpdateOne

from manyline.inbound.models import StatusChange
from manyline.infra.mongo import Collection, Database, Document, store_errors
from manyline.infra.one_wait import writing
from manyline.messages.states import MessageStatus

PARKED_FOR = timedelta(days=7)  # As long as Meta itself repeats what was not taken.
FIRST_WAIT = timedelta(seconds=30)
MOST_DOUBLINGS = 7
"""So a status that finds nothing is tried again after 30 s, 1 min, 2 min … and at last 64 min."""
MILLISECOND = timedelta(milliseconds=1)

PARKED_INDEXES = [
    IndexModel(
        [("tenantId", ASCENDING), ("waMessageId", ASCENDING), ("status", ASCENDING)],
        name="natural",
        unique=True,
    ),
    IndexModel([("tryAt", ASCENDING)], name="due"),
    IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0),
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
        """Keep these for later; the same one again adds the pricing that the first did not tell."""
        updates = [
            UpdateOne(
                {
                    "tenantId": change.tenant_id,
                    "waMessageId": change.wamid,
                    "status": change.status.value,
                },
                _parked_update(change, now),
                upsert=True,
            )
            for change in changes
        ]
        if updates:
            with store_errors():
                await writing(self._parked).bulk_write(updates, ordered=False)

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

    async def put_off(self, parked_ids: Sequence[ObjectId], *, now: datetime) -> None:
        """Try these again later, each time after twice as long a wait."""
        # all tenants: the relay names documents that it has just read.
        if not parked_ids:
            return
        tries: Document = {"$ifNull": ["$tries", 0]}
        doublings = {"$min": [tries, MOST_DOUBLINGS]}
        wait_ms = {"$multiply": [FIRST_WAIT // MILLISECOND, {"$pow": [2, doublings]}]}
        update = {"tries": {"$add": [tries, 1]}, "tryAt": {"$add": [now, wait_ms]}}
        with store_errors():
            await self._parked.update_many({"_id": {"$in": list(parked_ids)}}, [{"$set": update}])

    async def hurry(self, tenant_id: ObjectId, wamids: Sequence[str], *, now: datetime) -> None:
        """The messages of these wamids have come: try what is parked for them at once."""
        with store_errors():
            await self._parked.update_many(
                {"tenantId": tenant_id, "waMessageId": {"$in": list(wamids)}},
                {"$set": {"tryAt": now}},
            )


def _parked_update(change: StatusChange, now: datetime) -> Document:
    """An upsert. Pricing is taken over as by the message itself (see `raising.updates`)."""
    fields: Document = {
        "messageId": change.message_id,
        "error": change.error,
        "tryAt": now,
        "expiresAt": now + PARKED_FOR,
    }
    update: Document = {
        "$setOnInsert": {key: value for key, value in fields.items() if value is not None},
        "$min": {"at": change.at},
    }
    if change.pricing is not None:
        update["$max"] = {"pricing": change.pricing}
    return update


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
