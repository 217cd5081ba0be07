"""What Meta tells of a tenant's account and number, kept with the tenant.

Each fact has its own time and only moves forward, so events may come in any order and any number
of times. A bad standing pauses an active tenant, a good one later ends that pause and no other.
"""

from collections.abc import Mapping
from datetime import datetime

from bson import ObjectId

from manyline.infra.mongo import Collection, Database, Document, store_errors
from manyline.tenants.models import TenantStatus

ACCOUNT_LOCKED = 131031
"""Graph's code for an account that may not send; such a pause goes by it, whoever told of it."""


class StandingRepository:
    """Notes facts of `tenants`, and pauses them or lets them go on."""

    def __init__(self, database: Database) -> None:
        self._tenants: Collection = database["tenants"]

    async def note(
        self, tenant_id: ObjectId, facts: Mapping[str, tuple[datetime, str]], *, now: datetime
    ) -> bool:
        """Take over what is newer than what is known; answers whether anything was.

        Of two at the same time the greater one holds, whichever comes first.
        """
        # all tenants: a tenant's own id is what the query names.
        newer: list[Document] = [
            {f"account.{name}.at": {"$not": {"$gte": at}}} for name, (at, _) in facts.items()
        ]
        newer += [
            {f"account.{name}.at": at, f"account.{name}.value": {"$lt": value}}
            for name, (at, value) in facts.items()
        ]
        told: Document = {
            f"account.{name}": {"at": at, "value": value} for name, (at, value) in facts.items()
        }
        if not told:
            return False
        with store_errors():
            done = await self._tenants.update_one(
                {"_id": tenant_id, "$or": newer},
                {"$max": told, "$inc": {"version": 1}, "$set": {"updatedAt": now}},
            )
        return done.modified_count == 1

    async def stand(
        self, tenant_id: ObjectId, *, reason: str | None, at: datetime, now: datetime
    ) -> bool:
        """The account may not send for this reason, or (None) may; answers whether that is news.

        Of two at the same time the bad one holds, whichever comes first.
        """
        # all tenants: a tenant's own id is what the query names.
        before = "account.standing"
        is_news: list[Document] = [
            {f"{before}.at": {"$not": {"$gte": at}}},
            {f"{before}.at": at, f"{before}.reason": {"$lt": reason or ""}},
        ]
        by_account = {
            "$and": [
                {"$eq": ["$status", TenantStatus.PAUSED.value]},
                {"$eq": ["$pausedCode", ACCOUNT_LOCKED]},
            ]
        }
        is_active = {"$eq": ["$status", TenantStatus.ACTIVE.value]}
        good = reason is None
        counts: Document = by_account if good else {"$or": [is_active, by_account]}
        status = TenantStatus.ACTIVE if good else TenantStatus.PAUSED

        def if_counts(new: object, old: str) -> Document:
            return {"$cond": [counts, new, old]}

        fields: Document = {
            before: {"at": at, "reason": {"$literal": reason or ""}},
            "status": if_counts(status.value, "$status"),
            "pausedReason": if_counts(
                "$$REMOVE" if good else {"$literal": reason}, "$pausedReason"
            ),
            "pausedCode": if_counts("$$REMOVE" if good else ACCOUNT_LOCKED, "$pausedCode"),
            "version": {"$add": ["$version", 1]},
            "updatedAt": now,
        }
        with store_errors():
            done = await self._tenants.update_one(
                {"_id": tenant_id, "$or": is_news}, [{"$set": fields}]
            )
        return done.modified_count == 1
