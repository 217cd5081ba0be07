"""What the seeds' stack left in its stores, asked in the terms of `bench.ledger`."""

from typing import Any

from pymongo import MongoClient
from redis import Redis

from bench.ledger import Totals

Document = dict[str, Any]
QUEUE = "bull:whatsapp-send-queue"
WAITING_LISTS = ("wait", "active", "paused")
WAITING_SETS = ("delayed", "prioritized")


class SeedsLedger:
    """Reads and empties MongoDB and Redis; the database is the one that the URI names."""

    def __init__(self, mongo_uri: str, redis_host: str, redis_port: int) -> None:
        self._client: MongoClient[Document] = MongoClient(mongo_uri)
        self._database = self._client.get_default_database()
        self._messages = self._database["messages"]
        self._redis = Redis(host=redis_host, port=redis_port)

    def empty(self) -> None:
        """Drop everything, in both stores."""
        self._client.drop_database(self._database.name)
        self._redis.flushall()

    def clear_messages(self) -> None:
        """Drop messages and customers; tenants and all indexes stay, so the peer may go on.

        For after a warm-up: V8 compiles what is hot in the first seconds, and Mongoose builds its
        indexes at start alone. The queue must be at rest.
        """
        for name in ("messages", "customers"):
            self._database[name].delete_many({})

    def all_settled(self) -> bool:
        """Whether the queue is empty and idle: the messages have no index to ask as cheaply.

        A webhook under way may still add a job, so this is to be true for a while.
        """
        ask = self._redis.pipeline(transaction=True)
        for name in WAITING_LISTS:
            ask.llen(f"{QUEUE}:{name}")
        for name in WAITING_SETS:
            ask.zcard(f"{QUEUE}:{name}")
        return not any(ask.execute())

    def size(self) -> int:
        """Messages of both directions, as the collection's own count has it: free to ask."""
        return int(self._messages.estimated_document_count())

    def totals(self) -> Totals:
        """Count everything; times are Mongoose's own `createdAt` and `updatedAt`.

        A status that comes later moves `updatedAt` on, so the last time is that of the last
        acceptance only where the load has no statuses.
        """
        stored = self._one({"direction": "IN"}, {"$min": "$createdAt"})
        sent = self._one({"direction": "OUT", "status": "sent"}, {"$max": "$updatedAt"})
        return Totals(
            stored=stored["count"],
            sent=sent["count"],
            first_stored_at=stored["edge"],
            last_sent_at=sent["edge"],
        )

    def close(self) -> None:
        """Let go of both stores."""
        self._client.close()
        self._redis.close()

    def _one(self, query: Document, edge: Document) -> Document:
        group = {"_id": None, "count": {"$sum": 1}, "edge": edge}
        found = list(self._messages.aggregate([{"$match": query}, {"$group": group}]))
        return found[0] if found else {"count": 0, "edge": None}
