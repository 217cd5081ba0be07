"""The outbox: what sending reads and changes of unsettled messages.

`dueAt` is the one time by which somebody must look at an unsettled message again: when it is
queued, its next attempt; while it is `sending`, the end of its lease. Settled messages have none,
so the outbox' two indexes hold only what is unsettled. Every transition is one conditional update.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from manyline.infra.mongo import Collection, Database, Document, store_errors
from manyline.messages.models import Pending
from manyline.messages.repository import COLLECTION
from manyline.messages.states import RANK, MessageStatus
from manyline.sending.models import CLOCKS_DIFFER, Claim, Requeued, Sent, Settlement, Waiting
from manyline.sending.transitions import SETTLED_BY_SENT, all_sent, out_of_reach, settled

UNSETTLED = {"$exists": True}
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
        "attemptsBefore",
        "pairWaits",
        "unreached",
        "longWaits",
        "expiresAt",
    ),
    True,
)


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
            return [pending(document) async for document in found]

    async def due(self, tenant_id: ObjectId, *, now: datetime, limit: int) -> list[Pending]:
        """A tenant's queued messages whose time has come, the longest waiting first."""
        query = {
            "tenantId": tenant_id,
            "dueAt": {"$lte": now},
            "status": MessageStatus.QUEUED.value,
        }
        with store_errors():
            found = self._messages.find(query, PENDING_FIELDS, hint="due")
            return [pending(document) async for document in found.sort("dueAt", 1).limit(limit)]

    async def next_due(self, tenant_id: ObjectId, *, after: datetime) -> datetime | None:
        """When a tenant's next queued message is due that is not due yet; None for none.

        One that is parked behind another counts too: leaving those out would mean to read past
        all of them, and it is only looked at a little early.
        """
        query = {
            "tenantId": tenant_id,
            "dueAt": {"$gt": after},
            "status": MessageStatus.QUEUED.value,
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
        """Move queued messages to `sending`, all under one owner's lease; answers those won.

        Only those that still are due: since they were read, somebody else may have called one and
        been told to wait.
        """
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
        queued = {
            "_id": {"$in": ids},
            "status": MessageStatus.QUEUED.value,
            "$or": [{"dueAt": {"$lte": now + CLOCKS_DIFFER}}, {"behind": True}],
        }
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
        # all tenants: `settled` names each message's own.
        sent = [settlement for settlement in settlements if isinstance(settlement, Sent)]
        others = [
            UpdateOne(*one)
            for settlement in settlements
            if not isinstance(settlement, Sent)
            for one in settled(settlement)
        ]
        late = [
            UpdateOne(*out_of_reach(one))
            for one in settlements
            if isinstance(one, Requeued) and one.claim_under_way
        ]
        with store_errors():
            if late:
                await self._messages.bulk_write(late, ordered=False)
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
        query = {"_id": {"$in": [one.claim.message.id for one in sent]}, **SETTLED_BY_SENT}
        try:
            await self._messages.update_many(query, all_sent(sent), hint="_id_")
        except DuplicateKeyError:
            await self._settle_one_by_one(sent)

    async def _settle_one_by_one(self, sent: Sequence[Sent]) -> None:
        # all tenants: names messages by ids that this worker has claimed.
        for one in sent:
            query = {"_id": one.claim.message.id, **SETTLED_BY_SENT}
            try:
                await self._messages.update_one(query, all_sent([one]))
            except DuplicateKeyError:
                await self._messages.update_one(query, all_sent([one], with_wamid=False))

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

    async def put_off(self, until: Mapping[ObjectId, datetime]) -> None:
        """Let queued messages wait, each until its own time."""
        # all tenants: names documents that were just read.
        updates = [
            UpdateOne(
                {"_id": message_id, "status": MessageStatus.QUEUED.value},
                {"$set": {"dueAt": due_at}},
            )
            for message_id, due_at in until.items()
        ]
        if updates:
            with store_errors():
                await self._messages.bulk_write(updates, ordered=False)

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


def pending(document: Document) -> Pending:
    """A document, read with `PENDING_FIELDS`, as sending knows it."""
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
        attempts_before=document.get("attemptsBefore", 0),
        pair_waits=document.get("pairWaits", 0),
        unreached=document.get("unreached", 0),
        long_waits=document.get("longWaits", 0),
        expires_at=document.get("expiresAt"),
    )
