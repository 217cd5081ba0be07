"""What customers say of the messages they want, as Meta tells it: stopped, or taken again.

The newest word holds, in whatever order they come; `marketing` keeps it with its time. A send that
Graph refused for the same reason (see `CustomerRepository.opt_out`) counts from its own time on.
"""

from collections.abc import Sequence
from datetime import datetime

from bson import ObjectId

from manyline.customers.repository import CustomerRepository
from manyline.infra.mongo import Database, Document
from manyline.meta.webhook import PreferenceChange

MARKETING = "marketing_messages"
"""The only category that there is; another one would say nothing of this."""


class PreferenceRepository:
    """Notes preferences on `customers`."""

    def __init__(self, database: Database) -> None:
        self._customers = CustomerRepository(database)

    async def note(
        self, told: Sequence[tuple[ObjectId, ObjectId, PreferenceChange, datetime]]
    ) -> None:
        """Each with its tenant's and its customer's id, and when it was said.

        Raises `StoreUnavailableError`.
        """
        await self._customers.change(
            _noted(tenant_id, customer_id, stopped=given.stopped, at=at)
            for tenant_id, customer_id, given, at in told
            if given.category == MARKETING
        )


def _noted(
    tenant_id: ObjectId, customer_id: ObjectId, *, stopped: bool, at: datetime
) -> tuple[Document, list[Document]]:
    """Of two at one time, the one that stops holds."""
    newer: list[Document] = [{"marketing.at": {"$not": {"$gte": at}}}]
    if stopped:
        newer.append({"marketing.at": at, "marketing.stopped": False})
    earlier = {"$lte": ["$optedOutAt", at]}
    opted_out = at if stopped else {"$cond": [earlier, "$$REMOVE", "$optedOutAt"]}
    fields = {"marketing": {"at": at, "stopped": stopped}, "optedOutAt": opted_out}
    return {"_id": customer_id, "tenantId": tenant_id, "$or": newer}, [{"$set": fields}]
