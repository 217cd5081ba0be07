"""What the relay looks for: claims that outlived their lease, long waits that are over, doubts.

The relay asks for all tenants at once which have any, and then for each tenant's own. The first
question skips from tenant to tenant in an index: a key or two each and no document, however long
the backlogs are.
"""

from datetime import datetime

from bson import ObjectId

from manyline.infra.mongo import Collection, Database, Document, store_errors
from manyline.messages.repository import COLLECTION
from manyline.messages.states import MessageStatus
from manyline.sending.models import Claim
from manyline.sending.repository import PENDING_FIELDS, pending
from manyline.sending.retry import MAX_ATTEMPTS
from manyline.sending.transitions import resent

LOWEST_ID = ObjectId(bytes(12))


class StuckRepository:
    """Reads by time; its only updates are moves that time itself asks for."""

    def __init__(self, database: Database) -> None:
        self._messages: Collection = database[COLLECTION]

    async def oldest_due(
        self, status: MessageStatus, *, before: datetime
    ) -> dict[ObjectId, datetime]:
        """Per tenant with messages in this status due before then: the earliest `dueAt`."""
        # all tenants: the relay's scan.
        bounds: Document = {
            "tenantId": {"$gte": LOWEST_ID},
            "status": status.value,
            "dueAt": {"$lt": before},
        }
        return await self._first_of_tenants(
            bounds, {"tenantId": 1, "status": 1, "dueAt": 1}, index="due"
        )

    async def expired(self, tenant_id: ObjectId, *, now: datetime, limit: int) -> list[Claim]:
        """Claims of a tenant's messages whose lease ended unsettled."""
        query = {
            "tenantId": tenant_id,
            "dueAt": {"$lt": now},
            "status": MessageStatus.SENDING.value,
        }
        fields = {**PENDING_FIELDS, "lease": True, "statusAt": True}
        with store_errors():
            found = self._messages.find(query, fields, hint="due").limit(limit)
            return [_claim(document) async for document in found]

    async def oldest_parked(self, *, before: datetime) -> dict[ObjectId, datetime]:
        """Per tenant with long waits that are over by then: the earliest `parkedUntil`."""
        # all tenants: the relay's scan.
        bounds: Document = {"tenantId": {"$gte": LOWEST_ID}, "parkedUntil": {"$lt": before}}
        return await self._first_of_tenants(
            bounds, {"tenantId": 1, "parkedUntil": 1}, index="parked"
        )

    async def return_parked(self, tenant_id: ObjectId, *, now: datetime) -> None:
        """Put a tenant's messages back into their lines whose long wait is over."""
        over = {
            "tenantId": tenant_id,
            "parkedUntil": {"$lt": now},
            "status": MessageStatus.QUEUED.value,
        }
        update: Document = {"$set": {"dueAt": now}, "$unset": {"parkedUntil": ""}}
        with store_errors():
            await self._messages.update_many(over, update, hint="parked")

    async def newest_doubts(self, *, before: datetime) -> dict[ObjectId, datetime]:
        """Per tenant with doubts from before then: when its newest of them began."""
        # all tenants: the relay's scan.
        bounds: Document = {
            "tenantId": {"$gte": LOWEST_ID},
            "status": MessageStatus.IN_DOUBT.value,
            "troubleAt": {"$lt": before},
        }
        return await self._first_of_tenants(
            bounds, {"tenantId": 1, "status": 1, "troubleAt": -1}, index="trouble"
        )

    async def resend(
        self, tenant_id: ObjectId, *, doubted_before: datetime, now: datetime, expires_at: datetime
    ) -> int:
        """Queue a tenant's old doubts again; answers how many. Five calls a message at the most."""
        condition, update = resent(at=now, expires_at=expires_at)
        doubts = {
            "tenantId": tenant_id,
            "troubleAt": {"$lt": doubted_before},
            "attempts": {"$lt": MAX_ATTEMPTS},
            **condition,
        }
        with store_errors():
            return (await self._messages.update_many(doubts, update, hint="trouble")).modified_count

    async def _first_of_tenants(
        self, bounds: Document, order: dict[str, int], *, index: str
    ) -> dict[ObjectId, datetime]:
        """Per tenant the time, in the last field of `order`, of the first document in bounds."""
        # all tenants: the relay's scan.
        time_field = list(order)[-1]
        pipeline: list[Document] = [
            {"$match": bounds},
            {"$sort": order},
            {"$group": {"_id": "$tenantId", "first": {"$first": f"${time_field}"}}},
        ]
        with store_errors():
            found = await self._messages.aggregate(pipeline, hint=index)
            return {document["_id"]: document["first"] async for document in found}


def _claim(document: Document) -> Claim:
    return Claim(
        message=pending(document),
        owner=document["lease"]["owner"],
        claimed_at=document["statusAt"].get("sending", document["createdAt"]),
        expires_at=document["lease"]["expiresAt"],
    )
