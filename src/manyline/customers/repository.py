"""Customers in MongoDB: one document per person and tenant, found by any of its identities.

A customer who turned out to be somebody we had met before stays as a signpost: `mergedInto` the
other's id, without identities, in no list.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateOne
from pymongo.errors import BulkWriteError

from manyline.base.paging import Page, decode_cursor, encode_cursor
from manyline.customers.documents import (
    KNOWN_FIELDS,
    customer_from,
    known_from,
    new_customer,
    news,
    nobody,
    parent_of,
)
from manyline.customers.models import Customer, Key, Sighting
from manyline.customers.persons import Known, Person, heard_as
from manyline.infra.mongo import Collection, Database, Document, duplicate_keys, store_errors
from manyline.infra.one_wait import writing

COLLECTION = "customers"
MERGED = {"$exists": True}
NOT_MERGED = {"$exists": False}

# The last two hold only those who were merged.
INDEXES = [
    IndexModel(
        [("tenantId", ASCENDING), ("identities", ASCENDING)], unique=True, name="identities"
    ),
    # Written once for each customer: no message changes what it is made of.
    IndexModel([("tenantId", ASCENDING), ("_id", DESCENDING)], name="newest"),
    IndexModel(
        [("_id", ASCENDING), ("mergedInto", ASCENDING)],
        name="merged",
        partialFilterExpression={"mergedInto": MERGED},
    ),
    IndexModel(
        [("sweepAt", ASCENDING)],
        name="sweep",
        partialFilterExpression={"sweepAt": {"$exists": True}},
    ),
]


class CustomerRepository:
    """Reads and writes `customers`; merges are in `messages.merging`, since messages move."""

    def __init__(self, database: Database) -> None:
        self._customers: Collection = database[COLLECTION]

    async def ensure_indexes(self) -> None:
        """Make the indexes; does nothing where they exist."""
        with store_errors():
            await self._customers.create_indexes(INDEXES)

    async def find(self, keys: Iterable[Key]) -> dict[Key, Known]:
        """The customers under those keys that exist; one query, one branch per tenant.

        The hint spares MongoDB weighing indexes for each branch.
        """
        by_tenant: dict[ObjectId, list[str]] = {}
        for tenant_id, identity in keys:
            by_tenant.setdefault(tenant_id, []).append(identity)
        branches = [
            {"tenantId": tenant_id, "identities": {"$in": identities}}
            for tenant_id, identities in by_tenant.items()
        ]
        found: dict[Key, Known] = {}
        with store_errors():
            async for document in self._customers.find(
                {"$or": branches}, KNOWN_FIELDS, hint="identities"
            ):
                known = known_from(document)
                for identity in known.identities:
                    found[document["tenantId"], identity] = known
        return found

    async def insert_missing(
        self, people: Sequence[Person], *, now: datetime
    ) -> list[ObjectId | None]:
        """Insert one customer per person; None for those of whom somebody else was first."""
        documents = [new_customer(person, now) for person in people]
        ids: list[ObjectId | None] = [document["_id"] for document in documents]
        with store_errors():
            try:
                await writing(self._customers).insert_many(documents, ordered=False)
            except BulkWriteError as error:
                for index in duplicate_keys(error):
                    ids[index] = None
        return ids

    async def complete(self, heard: Sequence[tuple[Person, Known]]) -> bool:
        """Add what these customers' documents lack; False if they are to be looked at again.

        That is when an identity turned out to be another customer's, or one of these was merged.
        """
        # all tenants: each update names its own.
        updates = [_completed(person, known) for person, known in heard]
        if not updates:
            return True
        with store_errors():
            try:
                result = await writing(self._customers).bulk_write(updates, ordered=False)
            except BulkWriteError as error:
                duplicate_keys(error)
                return False
        return result.matched_count == len(updates)

    async def release(
        self, tenant_id: ObjectId, customer_id: ObjectId, identities: Iterable[str]
    ) -> None:
        """Take identities away that the customer had left: somebody else uses them now."""
        keeps: Document = {"$setDifference": ["$identities", {"$literal": list(identities)}]}
        none = {"$eq": [keeps, []]}
        fields = {"identities": {"$cond": [none, [nobody(customer_id)], keeps]}}
        with store_errors():
            await self._customers.update_one(
                {"_id": customer_id, "tenantId": tenant_id, "mergedInto": NOT_MERGED},
                [{"$set": fields}],
            )

    async def see(self, seen: Iterable[tuple[ObjectId, Sighting]]) -> None:
        """Move `lastSeenAt` and the names forward."""
        # all tenants: ids that were found under their tenants; _id alone is not planned.
        updates = [
            UpdateOne({"_id": customer_id}, {"$max": news(sighting)})
            for customer_id, sighting in seen
        ]
        if updates:
            with store_errors():
                await writing(self._customers).bulk_write(updates, ordered=False)

    async def merged(self, customer_ids: Iterable[ObjectId]) -> dict[ObjectId, ObjectId]:
        """The tenants of those of these customers that were merged into others."""
        # all tenants: a batch is of any tenants; the index holds merged customers only.
        query = {"_id": {"$in": list(customer_ids)}, "mergedInto": MERGED}
        with store_errors():
            found = self._customers.find(query, {"tenantId": True}, hint="merged")
            return {document["_id"]: document["tenantId"] async for document in found}

    async def followed(self, tenant_id: ObjectId, customer_id: ObjectId) -> ObjectId:
        """Who this customer is now: itself, or the one it was merged into, however often."""
        while True:
            query = {"tenantId": tenant_id, "_id": customer_id, "mergedInto": MERGED}
            with store_errors():
                document = await self._customers.find_one(
                    query, {"mergedInto": True}, hint="merged"
                )
            if document is None:
                return customer_id
            customer_id = document["mergedInto"]

    async def opt_out(self, tenant_id: ObjectId, customer_id: ObjectId, *, at: datetime) -> None:
        """Note that a customer wants no marketing messages; the first time counts.

        Not if they have asked for them again since (see `customers.preferences`): of what Graph
        refused before that Meta may tell later, and again.
        """
        now_is = await self.followed(tenant_id, customer_id)
        asked_again = {"marketing.stopped": False, "marketing.at": {"$gte": at}}
        query: Document = {"_id": now_is, "tenantId": tenant_id, "$nor": [asked_again]}
        query["optedOutAt"] = {"$exists": False}
        with store_errors():
            await self._customers.update_one(query, {"$set": {"optedOutAt": at}})

    async def change(self, changes: Iterable[tuple[Document, list[Document]]]) -> None:
        """Make updates that may be made in any order, each for whom its query names; one write."""
        # all tenants: each query names its own.
        updates = [UpdateOne(query, update) for query, update in changes]
        if updates:
            with store_errors():
                await self._customers.bulk_write(updates, ordered=False)

    async def list_page(
        self, tenant_id: ObjectId, *, limit: int, cursor: str | None
    ) -> Page[Customer]:
        """A tenant's customers, the last met first."""
        query: Document = {"tenantId": tenant_id, "mergedInto": NOT_MERGED}
        if cursor:
            query["_id"] = {"$lt": ObjectId(decode_cursor(cursor, size=12))}
        with store_errors():
            newest = self._customers.find(query, hint="newest").sort("_id", DESCENDING)
            customers = [customer_from(document) async for document in newest.limit(limit + 1)]
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
            return {document["_id"]: customer_from(document) async for document in found}


def _completed(person: Person, known: Known) -> UpdateOne:
    fields: Document = {
        "identities": {"$setUnion": ["$identities", {"$literal": sorted(person.identities)}]},
        "waId": {"$literal": heard_as(person, known)},
        "userId": {"$ifNull": ["$userId", {"$literal": person.goes_by("bsuid")}]},
        "parentUserId": {"$ifNull": ["$parentUserId", {"$literal": parent_of(person.sightings)}]},
    }
    # A null would be stored as such.
    present = {field: {"$ifNull": [value, "$$REMOVE"]} for field, value in fields.items()}
    query = {"_id": known.id, "tenantId": person.tenant_id, "mergedInto": NOT_MERGED}
    return UpdateOne(query, [{"$set": present}])
