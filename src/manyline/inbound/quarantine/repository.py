"""The quarantine in MongoDB: `_id tenantId? phoneNumberId? reason part? beside? voice? raw cut?
createdAt expiresAt triedAt?`.

`_id` is made of the tenant and the item, so an item that Meta repeats is kept once.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bson import ObjectId
from bson.binary import Binary
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import BulkWriteError

from manyline.base.paging import BadCursorError, Page, decode_cursor, encode_cursor
from manyline.inbound.models import Quarantined
from manyline.inbound.quarantine.models import Kept, NotInQuarantineError
from manyline.inbound.voices import Voice
from manyline.infra.mongo import Collection, Database, Document, duplicate_keys, store_errors

MAX_RAW_BYTES = 4 * 1024 * 1024
"""Of an item's JSON. A webhook has 3 MB at most, which take more only in escapes of bytes that are
no text."""
DIGEST = 32
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
NEWEST_FIRST = [("createdAt", DESCENDING), ("_id", DESCENDING)]
INDEXES = [
    IndexModel(NEWEST_FIRST, name="newest"),
    IndexModel([("tenantId", ASCENDING), *NEWEST_FIRST], name="newest_of_tenant"),
    IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0),
]
WITHOUT_RAW: Document = {
    "tenantId": True,
    "phoneNumberId": True,
    "reason": True,
    "part": True,
    "cut": True,
    "createdAt": True,
    "triedAt": True,
    "size": {"$binarySize": "$raw"},
}


class QuarantineRepository:
    """Items that could not be understood or stored, as they came; each for `kept_for`."""

    def __init__(self, database: Database, *, kept_for: timedelta) -> None:
        self._quarantine: Collection = database["quarantine"]
        self._kept_for = kept_for

    async def ensure_indexes(self) -> None:
        """Make the indexes; does nothing where they exist."""
        with store_errors():
            await self._quarantine.create_indexes(INDEXES)

    async def keep(self, items: Sequence[Quarantined], *, now: datetime) -> None:
        """Store these; the same item again changes nothing, since Meta repeats itself."""
        if not items:
            return
        expires_at = now + self._kept_for
        documents = {
            bytes(document["_id"]): document
            for document in (_document(item, now, expires_at) for item in items)
        }
        with store_errors():
            try:
                await self._quarantine.insert_many(list(documents.values()), ordered=False)
            except BulkWriteError as error:
                duplicate_keys(error)

    async def get(self, kept_id: bytes) -> Kept:
        """One item, whole; raises `NotInQuarantineError`."""
        # all tenants: the operator's; an item that nobody could read has no tenant.
        with store_errors():
            document = await self._quarantine.find_one({"_id": Binary(kept_id)})
        if document is None:
            raise NotInQuarantineError("no item in the quarantine has this id")
        return _kept(document)

    async def list_page(
        self, tenant_id: ObjectId | None, *, limit: int, cursor: str | None
    ) -> Page[Kept]:
        """Items, newest first, without their JSON; those of one tenant if that is given."""
        # all tenants: the operator's; an item that nobody could read has no tenant.
        query: Document = {} if tenant_id is None else {"tenantId": tenant_id}
        index = "newest" if tenant_id is None else "newest_of_tenant"
        if cursor:
            at, last = _position(cursor)
            query["createdAt"] = {"$lte": at}
            query["$or"] = [{"createdAt": {"$lt": at}}, {"_id": {"$lt": last}}]
        with store_errors():
            found = self._quarantine.find(query, WITHOUT_RAW, hint=index)
            newest = found.sort(NEWEST_FIRST).limit(limit + 1)
            documents = [document async for document in newest]
        more = len(documents) > limit
        documents = documents[:limit]
        next_cursor = _cursor(documents[-1]) if more else None
        return Page([_kept(document) for document in documents], next_cursor)

    async def note_tried(self, kept_id: bytes, *, reason: str, now: datetime) -> None:
        """It was tried again and stays, for this reason."""
        # all tenants: as in `get`.
        told = {"$set": {"reason": reason, "triedAt": now}}
        with store_errors():
            await self._quarantine.update_one({"_id": Binary(kept_id)}, told)

    async def remove(self, kept_id: bytes) -> bool:
        """Take it out; answers whether it was there."""
        # all tenants: as in `get`.
        with store_errors():
            deleted = await self._quarantine.delete_one({"_id": Binary(kept_id)})
        return bool(deleted.deleted_count)


def _document(item: Quarantined, now: datetime, expires_at: datetime) -> Document:
    fields: Document = {
        "_id": Binary(hashlib.sha256(f"{item.tenant_id}/".encode() + item.raw).digest()),
        "tenantId": item.tenant_id,
        "phoneNumberId": item.phone_number_id,
        "reason": item.reason,
        "part": item.part or None,
        "beside": Binary(item.beside) if item.beside is not None else None,
        "voice": _voice_fields(item.voice) if item.voice is not None else None,
        "raw": Binary(item.raw[:MAX_RAW_BYTES]),
        "cut": True if len(item.raw) > MAX_RAW_BYTES else None,
        "createdAt": now,
        "expiresAt": expires_at,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _voice_fields(voice: Voice) -> Document:
    return {"platform": voice.platform, "tenantIds": list(voice.tenants)}


def _kept(document: Document) -> Kept:
    voice = document.get("voice")
    item = Quarantined(
        tenant_id=document.get("tenantId"),
        phone_number_id=document.get("phoneNumberId"),
        reason=document["reason"],
        raw=document.get("raw", b""),
        part=document.get("part", ""),
        beside=document.get("beside"),
        voice=Voice(voice["platform"], tuple(voice["tenantIds"])) if voice else None,
    )
    return Kept(
        id=bytes(document["_id"]),
        item=item,
        size=document.get("size", len(item.raw)),
        cut=document.get("cut", False),
        created_at=document["createdAt"],
        tried_at=document.get("triedAt"),
    )


def _cursor(last: Document) -> str:
    milliseconds = (last["createdAt"] - EPOCH) // MILLISECOND
    return encode_cursor(milliseconds.to_bytes(8) + bytes(last["_id"]))


def _position(cursor: str) -> tuple[datetime, Binary]:
    raw = decode_cursor(cursor, size=8 + DIGEST)
    try:
        at = EPOCH + timedelta(milliseconds=int.from_bytes(raw[:8]))
    except OverflowError:
        raise BadCursorError(
            "this cursor is not one of ours; ask for the list without a cursor"
        ) from None
    return at, Binary(raw[8:])
