"""The ledger in MongoDB: written once, never changed, gone when its time is over.

`webhook_ledger`: `_id keptAt expiresAt webhooks tenantIds strangers? packed`. One document holds
the webhooks of one write. `strangers` says that some item was nobody's: a tenant may have its
number by now. Which tenants a document is of is looked at and not searched for: an index over
`tenantIds` would be paid for with every webhook, and is wanted once a month.
"""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

from bson import ObjectId
from bson.binary import Binary
from pymongo import ASCENDING, IndexModel

from manyline.inbound.ledger.models import (
    NOBODYS,
    Arrival,
    LedgerRecord,
    Position,
    Wanted,
)
from manyline.infra.mongo import Collection, Database, Document, store_errors

IN_ORDER = [("keptAt", ASCENDING), ("_id", ASCENDING)]
INDEXES = [
    IndexModel(IN_ORDER, name="in_order"),
    IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0),
]


class LedgerRepository:
    """Reads and writes `webhook_ledger`."""

    def __init__(self, database: Database) -> None:
        self._records: Collection = database["webhook_ledger"]

    async def ensure_indexes(self) -> None:
        """Make the indexes; does nothing where they exist."""
        with store_errors():
            await self._records.create_indexes(INDEXES)

    async def add(
        self,
        written: Sequence[tuple[Sequence[Arrival], bytes]],
        *,
        now: datetime,
        expires_at: datetime,
    ) -> None:
        """Webhooks and their packed form, a document each; raises `StoreUnavailableError`."""
        documents = [
            _document(arrivals, packed, now=now, expires_at=expires_at)
            for arrivals, packed in written
        ]
        with store_errors():
            if len(documents) == 1:
                await self._records.insert_one(documents[0])
            else:
                await self._records.insert_many(documents)

    async def after(
        self, position: Position | None, wanted: Wanted, *, limit: int
    ) -> AsyncGenerator[LedgerRecord, None]:
        """The next records behind `position`, oldest first, as they are asked for.

        One that holds nothing for the tenant that is wanted comes empty: where the reading stands
        must be known after a long stretch of those too.
        """
        # all tenants: the operator's replay; it is given one tenant's where it wants no others.
        query: Document = {"keptAt": {"$gte": wanted.since, "$lt": wanted.until}}
        if position is not None:
            query["keptAt"]["$gte"] = position.kept_at
            later = {"keptAt": {"$gt": position.kept_at}}
            query["$or"] = [later, {"_id": {"$gt": position.id}}]
        fields = {"keptAt": True, "packed": _packed_for(wanted.tenant_id)}
        with store_errors():
            found = self._records.find(query, fields, hint="in_order").sort(IN_ORDER).limit(limit)
            async with found:
                async for document in found:
                    position = Position(document["keptAt"], document["_id"])
                    yield LedgerRecord(position, document.get("packed"))


def _packed_for(tenant_id: ObjectId | None) -> object:
    if tenant_id is None:
        return True
    is_theirs = {"$or": [{"$in": [tenant_id, "$tenantIds"]}, {"$eq": ["$strangers", True]}]}
    return {"$cond": [is_theirs, "$packed", "$$REMOVE"]}


def _document(
    arrivals: Sequence[Arrival], packed: bytes, *, now: datetime, expires_at: datetime
) -> Document:
    tenants: set[ObjectId] = set()
    for one in arrivals:
        tenants.update(one.voice.tenants)
    document: Document = {
        "keptAt": now,
        "expiresAt": expires_at,
        "webhooks": len(arrivals),
        "tenantIds": list(tenants),
        "packed": Binary(packed),
    }
    if any(NOBODYS in one.outcomes for one in arrivals):
        document["strangers"] = True
    return document
