"""The event log of tenants' accounts in MongoDB: written once, never changed, gone after a year."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bson import ObjectId
from bson.binary import Binary
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import BulkWriteError

from manyline.accounts.models import AccountEntry, NewAccountEvent
from manyline.base.paging import BadCursorError, Page, decode_cursor, encode_cursor
from manyline.infra.documents import as_it_came
from manyline.infra.mongo import Collection, Database, Document, duplicate_keys, store_errors

KEPT_FOR = timedelta(days=365)
DIGEST = 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEWEST_FIRST = [("at", DESCENDING), ("_id", DESCENDING)]

INDEXES = [
    IndexModel([("tenantId", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)], name="newest"),
    IndexModel(
        [("createdAt", ASCENDING)],
        name="expiry",
        expireAfterSeconds=int(KEPT_FOR.total_seconds()),
    ),
]


class AccountEventRepository:
    """Reads and writes `account_events`."""

    def __init__(self, database: Database) -> None:
        self._events: Collection = database["account_events"]

    async def ensure_indexes(self) -> None:
        """Make the indexes; does nothing where they exist."""
        with store_errors():
            await self._events.create_indexes(INDEXES)

    async def keep(self, events: Sequence[NewAccountEvent], *, now: datetime) -> list[bool]:
        """Add these; answers for each whether it is new. The same one again changes nothing."""
        if not events:
            return []
        documents = [_document(event, now) for event in events]
        new = [True] * len(events)
        with store_errors():
            try:
                await self._events.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                for index in duplicate_keys(error):
                    new[index] = False
        return new

    async def list_page(
        self, tenant_id: ObjectId, *, limit: int, cursor: str | None
    ) -> Page[AccountEntry]:
        """A tenant's events, newest first."""
        query: Document = {"tenantId": tenant_id}
        if cursor:
            at, last = _position(cursor)
            query["at"] = {"$lte": at}
            query["$or"] = [{"at": {"$lt": at}}, {"_id": {"$lt": last}}]
        with store_errors():
            found = self._events.find(query, hint="newest").sort(NEWEST_FIRST).limit(limit + 1)
            documents = [document async for document in found]
        more = len(documents) > limit
        documents = documents[:limit]
        next_cursor = _cursor(documents[-1]) if more else None
        return Page([_entry(document) for document in documents], next_cursor)


def _document(event: NewAccountEvent, now: datetime) -> Document:
    fields: Document = {
        "_id": Binary(_identity(event)),
        "tenantId": event.tenant_id,
        "field": event.field,
        "kind": event.kind,
        "event": event.event,
        "wabaId": event.waba_id,
        "at": event.at,
        "content": event.content,
        "createdAt": now,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _identity(event: NewAccountEvent) -> bytes:
    """Events carry no id: one is the same as another that says the same of the same moment."""
    told_at = event.told_at.isoformat() if event.told_at else ""
    named = f"{event.tenant_id}/{event.field}/{event.waba_id}/{told_at}/".encode()
    return hashlib.sha256(named + event.content.raw).digest()[:DIGEST]


def _entry(document: Document) -> AccountEntry:
    return AccountEntry(
        id=bytes(document["_id"]),
        tenant_id=document["tenantId"],
        field=document["field"],
        kind=document["kind"],
        event=document.get("event"),
        at=document["at"],
        content=as_it_came(document["content"]),
    )


def _cursor(last: Document) -> str:
    milliseconds = (last["at"] - EPOCH) // timedelta(milliseconds=1)
    return encode_cursor(milliseconds.to_bytes(8, signed=True) + bytes(last["_id"]))


def _position(cursor: str) -> tuple[datetime, Binary]:
    raw = decode_cursor(cursor, size=8 + DIGEST)
    try:
        at = EPOCH + timedelta(milliseconds=int.from_bytes(raw[:8], signed=True))
    except OverflowError:
        raise BadCursorError(
            "this cursor is not one of ours; ask for the list without a cursor"
        ) from None
    return at, Binary(raw[8:])
