"""Messages in MongoDB: storing them in batches, and reading them back.

`seq` is an empty Timestamp that the server fills in at the insert. It orders messages as they
were accepted, over any number of processes, which no clock of ours could promise.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from bson import ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING, IndexModel, ReadPreference
from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure
from pymongo.read_concern import ReadConcern

from manyline.base.paging import BadCursorError, Page, decode_cursor, encode_cursor
from manyline.infra.mongo import (
    DUPLICATE_KEY,
    MAJORITY_TIMEOUT_MS,
    Collection,
    Database,
    Document,
    store_errors,
    unavailable,
)
from manyline.infra.one_wait import writing
from manyline.messages.documents import message_from
from manyline.messages.models import (
    HISTORY,
    Inserted,
    Message,
    MessageNotFoundError,
)
from manyline.messages.states import Direction
from manyline.messages.troubles import Troubles

COLLECTION = "messages"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)  # Before any message; a Timestamp begins at 1970.

# Codes that say the document itself is at fault; any other failure is the store's, and passes.
DOCUMENT_FAULTS = frozenset({2, 9, 14, 15, 22, 52, 54, 55, 56, 57, 121, 10334, 17280, 17419, 17420})
MOST_UNREAD = 100
"""Nobody reads a larger number than "99+" on a badge."""
ABOUT = timedelta(seconds=5)

# `dueAt`, `parkedUntil` and `troubleAt` exist only while an outgoing message waits, waits long, or
# needs a person, so the last four stay small however many messages are kept.
INDEXES = [
    IndexModel(
        [("tenantId", ASCENDING), ("waMessageId", ASCENDING)],
        name="wamid",
        unique=True,
        partialFilterExpression={"waMessageId": {"$exists": True}},
    ),
    IndexModel(
        [("tenantId", ASCENDING), ("idempotencyKey", ASCENDING)],
        name="idempotency",
        unique=True,
        partialFilterExpression={"idempotencyKey": {"$exists": True}},
    ),
    IndexModel([("tenantId", ASCENDING), ("seq", DESCENDING)], name="newest"),
    # 9 to 14 µs of mongod's CPU a message (measured): the price of opening a conversation at once,
    # however much else the tenant has.
    IndexModel(
        [("tenantId", ASCENDING), ("conversationId", ASCENDING), ("seq", DESCENDING)],
        name="conversation",
    ),
    # What speaks of other messages is found with the page that shows them.
    IndexModel(
        [("tenantId", ASCENDING), ("aboutWamid", ASCENDING)],
        name="about",
        partialFilterExpression={"aboutWamid": {"$exists": True}},
    ),
    # Not by tenant: jobs ask for the lines of any tenants at once, and a conversation's id is its
    # own. With the tenant in front, 50 lines of 50 tenants cost 100 µs each to look up, not 12.
    IndexModel(
        [("conversationId", ASCENDING), ("seq", ASCENDING)],
        name="line",
        partialFilterExpression={"dueAt": {"$exists": True}},
    ),
    IndexModel(
        [("tenantId", ASCENDING), ("status", ASCENDING), ("dueAt", ASCENDING)],
        name="due",
        partialFilterExpression={"dueAt": {"$exists": True}},
    ),
    IndexModel(
        [("tenantId", ASCENDING), ("parkedUntil", ASCENDING)],
        name="parked",
        partialFilterExpression={"parkedUntil": {"$exists": True}},
    ),
    IndexModel(
        [
            ("tenantId", ASCENDING),
            ("status", ASCENDING),
            ("troubleAt", DESCENDING),
            ("_id", DESCENDING),
            ("error.code", ASCENDING),
        ],
        name="trouble",
        partialFilterExpression={"troubleAt": {"$exists": True}},
    ),
]


class MessageRepository:
    """Inserts and reads `messages`; what sending does to them is in `sending.repository`."""

    def __init__(self, database: Database) -> None:
        self._messages: Collection = database[COLLECTION]

    async def ensure_indexes(self) -> None:
        """Make the indexes; does nothing where they exist."""
        with store_errors():
            await self._messages.create_indexes(INDEXES)

    async def insert(self, documents: Sequence[RawBSONDocument]) -> list[Inserted]:
        """Insert a batch, each on its own: one outcome per document, in order.

        A duplicate key is success: the message is there. The command waits for the majority in
        that case too, or its flush does (see `infra.one_wait`). A batch that the server refuses as
        a whole is halved until the document at fault stands alone.
        """
        if not documents:
            return []
        with store_errors():
            try:
                await writing(self._messages).insert_many(documents, ordered=False)
            except BulkWriteError as error:
                return _outcomes(error, len(documents))
            except (OperationFailure, DocumentTooLarge) as error:
                if isinstance(error, OperationFailure) and _is_about_the_store(error):
                    raise
                if len(documents) == 1:
                    return [Inserted(new=False, refusal=f"refused by the server: {error}"[:200])]
            else:
                return [Inserted(new=True)] * len(documents)
        half = len(documents) // 2
        return await self.insert(documents[:half]) + await self.insert(documents[half:])

    async def get(self, tenant_id: ObjectId, message_id: ObjectId) -> Message:
        """One message of a tenant; raises `MessageNotFoundError`."""
        with store_errors():
            document = await self._messages.find_one({"tenantId": tenant_id, "_id": message_id})
        if document is None:
            raise MessageNotFoundError("this tenant has no message with this id")
        return message_from(document)

    async def by_wamid(self, tenant_id: ObjectId, wamid: str) -> Message:
        """One message of a tenant by Meta's id; raises `MessageNotFoundError`."""
        with store_errors():
            document = await self._messages.find_one({"tenantId": tenant_id, "waMessageId": wamid})
        if document is None:
            raise MessageNotFoundError("this tenant has no message with this wamid")
        return message_from(document)

    async def find_by_key(self, tenant_id: ObjectId, idempotency_key: str) -> Message | None:
        """The message that was accepted under a key, once it is durable; None when there is none.

        A linearizable read waits for the majority, so a loser of a race never answers with a
        message that a failover could still take back.
        """
        messages = self._messages.with_options(
            read_concern=ReadConcern("linearizable"), read_preference=ReadPreference.PRIMARY
        )
        with store_errors():
            document = await messages.find_one(
                {"tenantId": tenant_id, "idempotencyKey": idempotency_key},
                max_time_ms=MAJORITY_TIMEOUT_MS,
            )
        return message_from(document) if document else None

    async def by_ids(
        self, tenant_ids: Sequence[ObjectId], message_ids: Sequence[ObjectId]
    ) -> dict[ObjectId, Message]:
        """Those of these messages that belong to any of these tenants."""
        query = {"tenantId": {"$in": list(tenant_ids)}, "_id": {"$in": list(message_ids)}}
        with store_errors():
            found = self._messages.find(query)
            return {document["_id"]: message_from(document) async for document in found}

    async def unread(
        self, tenant_id: ObjectId, read_at: Mapping[ObjectId, datetime | None]
    ) -> dict[ObjectId, int]:
        """Per conversation: how many customer's messages came after it was read, up to 100."""
        counts = await asyncio.gather(
            *(self._unread(tenant_id, one, since) for one, since in read_at.items())
        )
        return dict(zip(read_at, counts, strict=True))

    async def _unread(
        self, tenant_id: ObjectId, conversation_id: ObjectId, since: datetime | None
    ) -> int:
        query: Document = {
            "tenantId": tenant_id,
            "conversationId": conversation_id,
            "direction": Direction.IN.value,
            "source": {"$ne": HISTORY},
            "aboutWamid": {"$exists": False},
        }
        if since is not None:
            since = max(since, LONG_AGO)
            # The first bounds the search, in the server's own whole seconds; the second is exact.
            query |= {"seq": {"$gte": Timestamp(since - ABOUT, 0)}, "createdAt": {"$gt": since}}
        with store_errors():
            return await self._messages.count_documents(
                query, limit=MOST_UNREAD, hint="conversation"
            )

    async def list_page(
        self,
        tenant_id: ObjectId,
        *,
        limit: int,
        cursor: str | None,
        conversation_id: ObjectId | None = None,
    ) -> Page[Message]:
        """A tenant's messages, newest first; those of one conversation if that is given."""
        query: Document = {"tenantId": tenant_id}
        index = "newest"
        if conversation_id is not None:
            query["conversationId"] = conversation_id
            index = "conversation"
        if cursor:
            query["seq"] = {"$lt": _position(cursor)}
        with store_errors():
            newest = self._messages.find(query, hint=index).sort("seq", DESCENDING)
            found = newest.limit(limit + 1)
            documents = [document async for document in found]
        more = len(documents) > limit
        documents = documents[:limit]
        next_cursor = _cursor(documents[-1]["seq"]) if more else None
        return Page([message_from(document) for document in documents], next_cursor)

    async def list_troubles(
        self, tenant_id: ObjectId, wanted: Troubles, *, limit: int, cursor: str | None
    ) -> Page[Message]:
        """A tenant's dead letters or doubts, the newest trouble first."""
        query: Document = {"tenantId": tenant_id, **wanted.conditions()}
        if cursor:
            began, message_id = _trouble_position(cursor)
            query["troubleAt"]["$lte"] = began
            # Many have failed in the same millisecond: ids order those.
            query["$or"] = [{"troubleAt": {"$lt": began}}, {"_id": {"$lt": message_id}}]
        with store_errors():
            newest = self._messages.find(query, hint="trouble")
            ordered = newest.sort([("troubleAt", DESCENDING), ("_id", DESCENDING)])
            documents = [document async for document in ordered.limit(limit + 1)]
        more = len(documents) > limit
        documents = documents[:limit]
        next_cursor = _trouble_cursor(documents[-1]) if more else None
        return Page([message_from(document) for document in documents], next_cursor)


def _outcomes(error: BulkWriteError, count: int) -> list[Inserted]:
    details = error.details or {}
    if details.get("writeConcernErrors"):
        raise unavailable(error) from error
    outcomes = [Inserted(new=True)] * count
    for failure in details.get("writeErrors", ()):
        if failure["code"] == DUPLICATE_KEY:
            outcomes[failure["index"]] = Inserted(new=False)
        elif failure["code"] not in DOCUMENT_FAULTS:
            raise unavailable(error) from error
        else:
            reason = f"refused by the server: {failure.get('errmsg')}"[:200]
            outcomes[failure["index"]] = Inserted(new=False, refusal=reason)
    return outcomes


def _is_about_the_store(error: OperationFailure) -> bool:
    return bool(error.timeout or error.has_error_label("RetryableWriteError"))


def _cursor(position: Timestamp) -> str:
    return encode_cursor(position.time.to_bytes(4) + position.inc.to_bytes(4))


def _position(cursor: str) -> Timestamp:
    raw = decode_cursor(cursor, size=8)
    return Timestamp(int.from_bytes(raw[:4]), int.from_bytes(raw[4:]))


def _trouble_cursor(last: Document) -> str:
    began = (last["troubleAt"] - EPOCH) // timedelta(milliseconds=1)
    return encode_cursor(began.to_bytes(8) + last["_id"].binary)


def _trouble_position(cursor: str) -> tuple[datetime, ObjectId]:
    raw = decode_cursor(cursor, size=20)
    try:
        began = EPOCH + timedelta(milliseconds=int.from_bytes(raw[:8]))
    except OverflowError:
        raise BadCursorError(
            "this cursor is not one of ours; ask for the list without a cursor"
        ) from None
    return began, ObjectId(raw[8:])
