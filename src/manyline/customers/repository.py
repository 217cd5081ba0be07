"""Customers in MongoDB: one document per person and tenant, found by any of its identities."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateOne
from pymongo.errors import BulkWriteError

from manyline.base.paging import Page, decode_cursor, encode_cursor
from manyline.customers.models import Customer, Sighting
from manyline.infra.mongo import Collection, Database, Document, duplicate_keys, store_errors

INDEXES = [
    IndexModel(
        [("tenantId", ASCENDING), ("identities", ASCENDING)], unique=True, name="identities"
    ),
    # Written once for each customer: no message changes what it is made of.
    IndexModel([("tenantId", ASCENDING), ("_id", DESCENDING)], name="newest"),
]

Key = tuple[ObjectId, str]
"""A tenant's id and an identity."""


class CustomerRepository:
    """Reads and writes `customers`."""

    def __init__(self, database: Database) -> None:
        self._customers: Collection = database["customers"]

    async def ensure_indexes(self) -> None:
        """Make the indexes; does nothing where they exist."""
        with store_errors():
            await self._customers.create_indexes(INDEXES)

    async def find(self, keys: Iterable[Key]) -> dict[Key, ObjectId]:
        """The customers' ids of those keys that exist; one query, one branch per tenant.

        The hint spares MongoDB weighing indexes for each branch.
        """
        by_tenant: dict[ObjectId, list[str]] = {}
        for tenant_id, identity in keys:
            by_tenant.setdefault(tenant_id, []).append(identity)
        branches = [
            {"tenantId": tenant_id, "identities": {"$in": identities}}
            for tenant_id, identities in by_tenant.items()
        ]
        fields = {"tenantId": True, "identities": True}
        found: dict[Key, ObjectId] = {}
        with store_errors():
            async for document in self._customers.find(
                {"$or": branches}, fields, hint="identities"
            ):
                for identity in document["identities"]:
                    found[document["tenantId"], identity] = document["_id"]
        return found

    async def insert_missing(
        self, sightings: Sequence[Sighting], *, now: datetime
    ) -> dict[Key, ObjectId]:
        """Insert one customer per sighting; leaves out those that somebody else inserted first."""
        documents = [_new_customer(sighting, now) for sighting in sightings]
        taken: set[int] = set()
        with store_errors():
            try:
                await self._customers.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                taken.update(duplicate_keys(error))
        return {
            (sighting.tenant_id, sighting.identity): document["_id"]
            for index, (sighting, document) in enumerate(zip(sightings, documents, strict=True))
            if index not in taken
        }

    async def see(self, seen: Iterable[tuple[ObjectId, Sighting]]) -> None:
        """Move `lastSeenAt` forward, and take over the names that came along."""
        # all tenants: ids that were found under their tenants; _id alone is not planned.
        updates = [
            UpdateOne({"_id": customer_id}, _seen(sighting)) for customer_id, sighting in seen
        ]
        if updates:
            with store_errors():
                await self._customers.bulk_write(updates, ordered=False)

    async def opt_out(self, tenant_id: ObjectId, customer_id: ObjectId, *, at: datetime) -> None:
        """Note that a customer wants no marketing messages; the first time counts."""
        query = {"_id": customer_id, "tenantId": tenant_id, "optedOutAt": {"$exists": False}}
        with store_errors():
            await self._customers.update_one(query, {"$set": {"optedOutAt": at}})

    async def list_page(
        self, tenant_id: ObjectId, *, limit: int, cursor: str | None
    ) -> Page[Customer]:
        """A tenant's customers, the last met first."""
        query: Document = {"tenantId": tenant_id}
        if cursor:
            query["_id"] = {"$lt": ObjectId(decode_cursor(cursor, size=12))}
        with store_errors():
            found = self._customers.find(query).sort("_id", DESCENDING).limit(limit + 1)
            customers = [_from_document(document) async for document in found]
        more = len(customers) > limit
        customers = customers[:limit]
        return Page(customers, encode_cursor(customers[-1].id.binary) if more else None)

    async def by_ids(
        self, tenant_id: ObjectId, customer_ids: Iterable[ObjectId]
    ) -> dict[ObjectId, Customer]:
        """Those of these customers that are the tenant's."""
        query = {"tenantId": tenant_id, "_id": {"$in": list(customer_ids)}}
        with store_errors():
            found = self._customers.find(query)
            return {document["_id"]: _from_document(document) async for document in found}


def _new_customer(sighting: Sighting, now: datetime) -> Document:
    kind, _, value = sighting.identity.partition(":")
    document: dict[str, Any] = {
        "_id": ObjectId(),
        "tenantId": sighting.tenant_id,
        "identities": [sighting.identity],
        "waId" if kind == "tel" else "userId": value,
        "name": sighting.name,
        "lastSeenAt": sighting.seen_at,
        "createdAt": now,
    }
    return {key: value for key, value in document.items() if value is not None}


def _seen(sighting: Sighting) -> Document:
    update: Document = {"$max": {"lastSeenAt": sighting.seen_at}}
    if sighting.name is not None:
        update["$set"] = {"name": sighting.name}
    return update


def _from_document(document: Document) -> Customer:
    return Customer(
        id=document["_id"],
        tenant_id=document["tenantId"],
        identities=tuple(document["identities"]),
        created_at=document["createdAt"],
        wa_id=document.get("waId"),
        user_id=document.get("userId"),
        username=document.get("username"),
        name=document.get("name"),
        last_seen_at=document.get("lastSeenAt"),
        opted_out_at=document.get("optedOutAt"),
    )
