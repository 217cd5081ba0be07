"""What MongoDB says happened: the benchmark believes the store, not the answers it got.

Reads what the documents of the seeds and ours have in common: `tenants` with a `phoneNumberId`,
`messages` with `tenantId`, `direction`, `status`, `to` and, once sent, `waMessageId`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from pymongo import MongoClient, WriteConcern

Document = dict[str, Any]

_UNJOURNALLED = WriteConcern(w=1, j=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """A message that Graph took: what a status needs to name."""

    message_id: ObjectId
    wamid: str
    phone_number_id: str
    recipient: str


class Store:
    """Reads and empties the database that a URI names."""

    def __init__(self, mongo_uri: str) -> None:
        self._client: MongoClient[Document] = MongoClient(mongo_uri, tz_aware=True)
        self._database = self._client.get_default_database()
        self._messages = self._database["messages"]

    def empty(self, *, but_tenants: int) -> bool:
        """Drop everything, but not so many tenants; whether those were there and still are."""
        kept = self._database["tenants"].estimated_document_count() == but_tenants
        for name in self._database.list_collection_names():
            if not (kept and name == "tenants"):
                self._database.drop_collection(name)
        return kept

    def size(self) -> int:
        """Messages of both directions, by the collection's own count: free to ask."""
        return int(self._messages.estimated_document_count())

    def tenants(self) -> list[tuple[ObjectId, str]]:
        """Each tenant's id and number, in the order in which they were registered."""
        found = self._database["tenants"].find({}, {"phoneNumberId": True}).sort("phoneNumberId", 1)
        return [(each["_id"], each["phoneNumberId"]) for each in found]

    def sent(self, since: ObjectId) -> int:
        """How many of the messages made since then were taken by Graph, as the store has it."""
        gone = {"$in": ["sent", "delivered", "read"]}
        return self._count({"_id": {"$gte": since}, "direction": "OUT", "status": gone})

    def received(self, since: ObjectId) -> int:
        """How many customers' messages were stored since then."""
        return self._count({"_id": {"$gte": since}, "direction": "IN"})

    def replies(self, since: ObjectId) -> Iterator[Reply]:
        """Those of the messages made since then that Graph took, oldest first."""
        number_of = dict(self.tenants())
        query = {"_id": {"$gte": since}, "direction": "OUT", "waMessageId": {"$exists": True}}
        fields = {"tenantId": True, "waMessageId": True, "to": True}
        for found in self._messages.find(query, fields).sort("_id", 1):
            yield Reply(
                found["_id"], found["waMessageId"], number_of[found["tenantId"]], found["to"]
            )

    def all_settled(self) -> bool:
        """Whether no message of ours waits or is under way; `due` is the index of those alone."""
        waiting = {"dueAt": {"$exists": True}}
        return self._messages.find_one(waiting, {"_id": 1}, hint="due") is None

    def last_sent_at(self) -> datetime | None:
        """When the last message was settled as sent; of documents of ours alone."""
        group = {"_id": None, "last": {"$max": "$statusAt.sent"}}
        found = list(self._messages.aggregate([{"$group": group}]))
        return found[0]["last"] if found else None

    def fill(self, collection: str, documents: Sequence[Document]) -> None:
        """Insert without waiting for the journal: what is measured begins afterwards."""
        fast = self._database[collection].with_options(write_concern=_UNJOURNALLED)
        fast.insert_many(documents, ordered=False)

    def flush(self) -> None:
        """Have everything on disk, so that no checkpoint of it falls into a measurement."""
        self._client.admin.command("fsync")

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    def _count(self, query: Document) -> int:
        return self._messages.count_documents(query, hint="_id_")


def from_now_on() -> ObjectId:
    """Smaller than every id that is made from the next second on, larger than those before."""
    return ObjectId.from_datetime(datetime.now(UTC))
