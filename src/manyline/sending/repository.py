"""The outbox: what sending reads and changes of unsettled messages.

`dueAt` is the one time by which somebody must look at an unsettled message again: when it is
queued, its next attempt; while it is `sending`, the end of its lease. Settled messages have none,
so the outbox' two indexes hold only what is unsettled. Every transition is one conditional update.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from manyline.infra.mongo import Collection, Database, Document, store_errors
from manyline.messages.models import Pending
from manyline.messages.repository import COLLECTION
from manyline.messages.states import RANK, MessageStatus
from manyline.sending.models import Claim, Failed, InDoubt, Requeued, Sent, Settlement, Waiting

UNSETTLED = {"$exists": True}
LOWEST_ID = ObjectId(bytes(12))
LINE_ORDER = [("conversationId", 1), ("seq", 1)]
SHORT_LINE = 4
PENDING_FIELDS = dict.fromkeys(
    (
        "tenantId",
        "conversationId",
        "phoneNumberId",
        "to",
        "content",
        "status",
        "attempts",
        "dueAt",
        "createdAt",
        "behind",
    ),
    True,
)

# From in_doubt too: whoever comes back late with Graph's answer knows better.
_HELD_OR_DOUBTED: Document = {
    "status": {"$in": [MessageStatus.SENDING.value, MessageStatus.IN_DOUBT.value]}
}


class OutboxRepository:
    """Finds, claims and settles; the only code that moves a message between states by sending."""

    def __init__(self, database: Database) -> None:
        self._messages: Collection = database[COLLECTION]

    async def find_queued(self, message_ids: Sequence[ObjectId]) -> list[Pending]:
        """Those of these messages that still wait."""
        # all tenants: a job carries messages of any numbers.
        query = {"_id": {"$in": list(message_ids)}, "status": MessageStatus.QUEUED.value}
        with store_errors():
            found = self._messages.find(query, PENDING_FIELDS, hint="_id_")
            return [_pending(document) async for document in found]

    async def due(self, tenant_id: ObjectId, *, now: datetime, limit: int) -> list[Pending]:
        """A tenant's queued messages whose time has come, the longest waiting first."""
        query = {
            "tenantId": tenant_id,
            "dueAt": {"$lte": now},
            "status": MessageStatus.QUEUED.value,
        }
        with store_errors():
            found = self._messages.find(query, PENDING_FIELDS, hint="due")
            return [_pending(document) async for document in found.sort("dueAt", 1).limit(limit)]

    async def next_due(self, tenant_id: ObjectId, *, after: datetime) -> datetime | None:
        """When a tenant's next queued message is due that is not due yet; None for none."""
        query = {
            "tenantId": tenant_id,
            "dueAt": {"$gt": after},
            "status": MessageStatus.QUEUED.value,
            "behind": {"$exists": False},
        }
        with store_errors():
            found = await self._messages.find_one(
                query, {"dueAt": True}, sort=[("dueAt", 1)], hint="due"
            )
        return found["dueAt"] if found else None

    async def heads(self, conversation_ids: Sequence[ObjectId]) -> dict[ObjectId, ObjectId]:
        """Per conversation: the id of its first unsettled message."""
        found = await self._first_unsettled(conversation_ids, ("_id",))
        return {document["conversationId"]: document["_id"] for document in found}

    async def next_in_line(self, conversation_ids: Sequence[ObjectId]) -> list[Waiting]:
        """Per conversation: its first unsettled message, where that one is queued."""
        fields = ("tenantId", "status", "dueAt", "behind")
        return [
            Waiting(
                message_id=first["_id"],
                tenant_id=first["tenantId"],
                due_at=first["dueAt"],
                behind=first.get("behind", False),
            )
            for first in await self._first_unsettled(conversation_ids, fields)
            if first["status"] == MessageStatus.QUEUED
        ]

    async def claim(self, claims: Sequence[Claim], *, now: datetime) -> list[Claim]:
        """Move queued messages to `sending`, all under one owner's lease; answers those won."""
        # all tenants: a job carries messages of any numbers.
        owner, expires_at = claims[0].owner, claims[0].expires_at
        ids = [claim.message.id for claim in claims]
        update = {
            "$set": {
                "status": MessageStatus.SENDING.value,
                "statusRank": RANK[MessageStatus.SENDING],
                "statusAt.sending": now,
                "lease": {"owner": owner, "expiresAt": expires_at},
                "dueAt": expires_at,
            }
        }
        queued = {"_id": {"$in": ids}, "status": MessageStatus.QUEUED.value}
        with store_errors():
            result = await self._messages.update_many(queued, update, hint="_id_")
            if result.modified_count == len(ids):
                return list(claims)
            mine = self._messages.find({"_id": {"$in": ids}, "lease.owner": owner}, {"_id": True})
            won = {document["_id"] async for document in mine}
        return [claim for claim in claims if claim.message.id in won]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Write down what became of claimed messages.

        One that has moved on meanwhile (a status came first, the lease ended) is left as it is.
        """
        sent = [settlement for settlement in settlements if isinstance(settlement, Sent)]
        others = [_settled(s) for s in settlements if not isinstance(s, Sent)]
        with store_errors():
            if sent:
                await self._settle_sent(sent)
            if others:
                await self._messages.bulk_write(others, ordered=False)

    async def _settle_sent(self, sent: Sequence[Sent]) -> None:
        """One update for all: 74 µs of mongod's CPU a message, against 206 one by one (measured).

        When Graph gave a wamid that another message has, the message counts as sent all the same:
        then each is written by itself.
        """
        # all tenants: names messages by ids that this worker has claimed.
        query = {"_id": {"$in": [one.claim.message.id for one in sent]}, **_HELD_OR_DOUBTED}
        try:
            await self._messages.update_many(query, _all_sent(sent), hint="_id_")
        except DuplicateKeyError:
            await self._settle_one_by_one(sent)

    async def _settle_one_by_one(self, sent: Sequence[Sent]) -> None:
        # all tenants: names messages by ids that this worker has claimed.
        for one in sent:
            query = {"_id": one.claim.message.id, **_HELD_OR_DOUBTED}
            try:
                await self._messages.update_one(query, _all_sent([one]))
            except DuplicateKeyError:
                await self._messages.update_one(query, _all_sent([one], with_wamid=False))

    async def park_behind(self, messages: Sequence[Pending], *, until: datetime) -> None:
        """Take followers out of sight until whoever settles the one before them wakes them."""
        # all tenants: names documents that were just read.
        if messages:
            ids = [message.id for message in messages]
            with store_errors():
                await self._messages.update_many(
                    {"_id": {"$in": ids}, "status": MessageStatus.QUEUED.value},
                    {"$set": {"dueAt": until, "behind": True}},
                )

    async def unpark(self, message_ids: Sequence[ObjectId], *, now: datetime) -> None:
        """The line before these has moved: they are due at once."""
        # all tenants: names documents that were just read.
        if message_ids:
            with store_errors():
                await self._messages.update_many(
                    {"_id": {"$in": list(message_ids)}, "behind": True},
                    {"$set": {"dueAt": now}, "$unset": {"behind": ""}},
                )

    async def oldest_due(
        self, status: MessageStatus, *, before: datetime
    ) -> dict[ObjectId, datetime]:
        """Per tenant with messages in this status due before then: the earliest `dueAt`.

        The bounds let MongoDB skip from tenant to tenant in the index: a key or two per tenant,
        no document, however long the backlogs are.
        """
        # all tenants: the relay's scan.
        bounds: Document = {
            "tenantId": {"$gte": LOWEST_ID},
            "status": status.value,
            "dueAt": {"$lt": before},
        }
        pipeline: list[Document] = [
            {"$match": bounds},
            {"$sort": {"tenantId": 1, "status": 1, "dueAt": 1}},
            {"$group": {"_id": "$tenantId", "oldest": {"$first": "$dueAt"}}},
        ]
        with store_errors():
            found = await self._messages.aggregate(pipeline, hint="due")
            return {document["_id"]: document["oldest"] async for document in found}

    async def expired(self, tenant_id: ObjectId, *, now: datetime, limit: int) -> list[Claim]:
        """Claims of a tenant's messages whose lease ended unsettled."""
        query = {
            "tenantId": tenant_id,
            "dueAt": {"$lt": now},
            "status": MessageStatus.SENDING.value,
        }
        with store_errors():
            found = self._messages.find(query, {**PENDING_FIELDS, "lease": True}, hint="due")
            return [
                Claim(
                    message=_pending(document),
                    owner=document["lease"]["owner"],
                    expires_at=document["lease"]["expiresAt"],
                )
                async for document in found.limit(limit)
            ]

    async def _first_unsettled(
        self, conversation_ids: Sequence[ObjectId], fields: Sequence[str]
    ) -> list[Document]:
        """The head of each line. Lines are short; behind a long one, the rest are asked singly."""
        # all tenants: a conversation's id is its own, and a job carries those of any tenants.
        wanted = set(conversation_ids)
        shown = dict.fromkeys(("conversationId", *fields), True)
        most = SHORT_LINE * len(wanted)
        heads: dict[ObjectId, Document] = {}
        query: Document = {"conversationId": {"$in": list(wanted)}, "dueAt": UNSETTLED}
        with store_errors():
            found = self._messages.find(query, shown, hint="line")
            read = 0
            async for document in found.sort(LINE_ORDER).limit(most):
                heads.setdefault(document["conversationId"], document)
                read += 1
            hidden = wanted - heads.keys() if read == most else set()
            for conversation_id in hidden:
                query = {"conversationId": conversation_id, "dueAt": UNSETTLED}
                head = await self._messages.find_one(query, shown, sort=LINE_ORDER, hint="line")
                if head is not None:
                    heads[conversation_id] = head
        return list(heads.values())


def _settled(settlement: Requeued | Failed | InDoubt) -> UpdateOne:
    """One conditional update; a settlement counts only for the claim it was made under."""
    message = settlement.claim.message
    condition: Document
    update: Document
    named: Document = {"_id": message.id, "tenantId": message.tenant_id}
    if isinstance(settlement, Requeued):
        condition, update = _requeued(settlement)
    elif isinstance(settlement, Failed):
        condition, update = _failed(settlement)
    else:
        condition, update = _in_doubt(settlement)
    return UpdateOne(named | condition, update)


def _all_sent(sent: Sequence[Sent], *, with_wamid: bool = True) -> list[Document]:
    """`sent` for many messages at once; each takes its own wamid and time from its place."""
    ids = [one.claim.message.id for one in sent]
    place: Document = {"$indexOfArray": [{"$literal": ids}, "$_id"]}

    def own(values: list[Any]) -> Document:
        return {"$arrayElemAt": [{"$literal": values}, place]}

    fields: Document = {
        "status": MessageStatus.SENT.value,
        "statusRank": RANK[MessageStatus.SENT],
        "statusAt.sent": own([one.at for one in sent]),
        "attempts": {"$add": ["$attempts", 1]},
    }
    if with_wamid:
        fields["waMessageId"] = own([one.wamid for one in sent])
    return [{"$set": fields}, {"$unset": ["lease", "dueAt", "error"]}]


def _requeued(settlement: Requeued) -> tuple[Document, Document]:
    """From `in_doubt` too, by the claim's own holder: it knows that Graph did not take it."""
    fields: Document = {
        "status": MessageStatus.QUEUED.value,
        "statusRank": RANK[MessageStatus.QUEUED],
        "dueAt": settlement.due_at,
    }
    if settlement.error is not None:
        fields["error"] = settlement.error
    update: Document = {"$set": fields, "$unset": {"lease": "", "behind": ""}}
    if settlement.counts:
        update["$inc"] = {"attempts": 1}
    return _HELD_OR_DOUBTED | {"lease.owner": settlement.claim.owner}, update


def _failed(settlement: Failed) -> tuple[Document, Document]:
    fields = _entered(MessageStatus.FAILED, settlement.at) | {"error": settlement.error}
    unset = {"lease": "", "dueAt": ""}
    return _held(settlement), {"$set": fields, "$unset": unset, "$inc": {"attempts": 1}}


def _in_doubt(settlement: InDoubt) -> tuple[Document, Document]:
    """The lease stays in the document: its holder may still come back with an answer."""
    error = {"title": settlement.reason}
    fields = _entered(MessageStatus.IN_DOUBT, settlement.at) | {"error": error}
    return _held(settlement), {"$set": fields, "$unset": {"dueAt": ""}, "$inc": {"attempts": 1}}


def _held(settlement: Failed | InDoubt) -> Document:
    return {"status": MessageStatus.SENDING.value, "lease.owner": settlement.claim.owner}


def _entered(status: MessageStatus, at: datetime) -> Document:
    return {
        "status": status.value,
        "statusRank": RANK[status],
        f"statusAt.{status.value}": at,
    }


def _pending(document: Document) -> Pending:
    return Pending(
        id=document["_id"],
        tenant_id=document["tenantId"],
        conversation_id=document["conversationId"],
        phone_number_id=document["phoneNumberId"],
        recipient=document["to"],
        content=document["content"],
        status=MessageStatus(document["status"]),
        attempts=document["attempts"],
        due_at=document["dueAt"],
        created_at=document["createdAt"],
        behind=document.get("behind", False),
    )
