"""What MongoDB says happened: the benchmark believes the store, not the answers it got."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import MongoClient

DATABASE = "pocdb"
Document = dict[str, Any]


@dataclass(frozen=True)
class Totals:
    """Messages stored and replies sent; times are the product's own, to the millisecond."""

    stored: int
    sent: int
    first_stored_at: datetime
    last_sent_at: datetime | None

    @property
    def seconds(self) -> float:
        """From the first webhook that was stored to the last reply that Graph accepted."""
        if self.last_sent_at is None:
            return 0.0
        return (self.last_sent_at - self.first_stored_at).total_seconds()


class Ledger:
    """Reads and empties the database."""

    def __init__(self, mongo_uri: str) -> None:
        self._client: MongoClient[Document] = MongoClient(mongo_uri)
        self._messages = self._client[DATABASE]["messages"]

    def empty(self) -> None:
        """Drop everything."""
        self._client.drop_database(DATABASE)

    def all_settled(self) -> bool:
        """Whether no reply waits or is under way; `due` holds only those."""
        waiting = {"dueAt": {"$exists": True}}
        return self._messages.find_one(waiting, {"_id": 1}, hint="due") is None

    def size(self) -> int:
        """Messages of both directions, as the collection's own count has it: free to ask."""
        return int(self._messages.estimated_document_count())

    def totals(self) -> Totals:
        """Count everything."""
        stored = self._one({"direction": "IN"}, {"$min": "$createdAt"})
        sent = self._one({"direction": "OUT", "status": "sent"}, {"$max": "$statusAt.sent"})
        return Totals(
            stored=stored["count"],
            sent=sent["count"],
            first_stored_at=stored["edge"],
            last_sent_at=sent["edge"],
        )

    def _one(self, query: Document, edge: Document) -> Document:
        group = {"_id": None, "count": {"$sum": 1}, "edge": edge}
        found = list(self._messages.aggregate([{"$match": query}, {"$group": group}]))
        return found[0] if found else {"count": 0, "edge": None}
