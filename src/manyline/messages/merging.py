"""Merging customers: two that turn out to be one person become one, with all that was said.

The older one stays. What decides is done in one transaction: who has which identities, whose line
the unsettled messages stand in, one conversation instead of two. So everybody sees all of it or
nothing, and a process that dies leaves nothing half done. Messages that nobody waits for follow
after it, the newest first.

Somebody who resolved the other customer a moment before may still store messages under its id,
and a process may remember that id for minutes. Nothing of that is lost, nor sent out of turn:

- The line of the customer who is gone is closed for good: a marker stands in it, before everybody
  else and never to be sent, so no message in it ever leads it.
- The other conversation is deleted. Whoever stores messages notes them in it afterwards, and finds
  that it had to be made anew: then `reunite` moves them, before anybody is told that they are
  stored. Of a customer who was just met, the conversation is new anyway, so that one is asked for.
- A process that dies between the two leaves its messages to `sweep`, which looks again after ten
  seconds, a minute, ten minutes, an hour and a day.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta

import structlog
from bson import ObjectId

from manyline.base.clock import Clock
from manyline.conversations.repository import COLLECTION as CONVERSATIONS
from manyline.customers.models import Moved
from manyline.customers.repository import COLLECTION as CUSTOMERS
from manyline.customers.repository import CustomerRepository
from manyline.infra import mongo
from manyline.infra.mongo import Database, Document, store_errors
from manyline.infra.transactions import Session, atomically
from manyline.messages.absorbing import FIRST_SWEEP_AFTER, UNSETTLED, Absorption, Merged
from manyline.messages.repository import COLLECTION as MESSAGES

BATCH = 500
MOVED_AT_ONCE = 2_000
"""Of settled messages; more are left to the sweep, so that no webhook waits for a long history."""
SWEEP_AFTER = (
    FIRST_SWEEP_AFTER,
    *(timedelta(seconds=seconds) for seconds in (60, 600, 3600, 24 * 3600)),
)
SWEPT_AT_ONCE = 100
log = structlog.get_logger(__name__)


class CustomerMerges:
    """See `customers.service.Merges`; all raise `StoreUnavailableError`."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._customers: mongo.Collection = database[CUSTOMERS]
        self._conversations: mongo.Collection = database[CONVERSATIONS]
        self._messages: mongo.Collection = database[MESSAGES]
        self._people = CustomerRepository(database)
        self._absorption = Absorption(database, clock=clock)
        self._clock = clock

    async def unite(self, tenant_id: ObjectId, identities: Collection[str]) -> Merged:
        """The customers under these identities become the oldest of them; answers who is gone."""

        async def work(session: Session) -> Merged:
            found = await self._absorption.holders(session, tenant_id, identities)
            return await self._absorption.to_one(session, tenant_id, found)

        return await self._merged(tenant_id, work)

    async def move(self, moved: Moved) -> Merged:
        """A customer left identities for others; once, however often it is told.

        The other may be known under the new ones already, having written before Meta told us.
        """

        async def work(session: Session) -> Merged:
            return await self._absorption.move(session, moved)

        return await self._merged(moved.tenant_id, work)

    async def reunite(self, customer_ids: Collection[ObjectId]) -> Merged:
        """Bring what was stored under merged customers to those they were merged into."""
        if not customer_ids:
            return {}
        merged: Merged = {}
        for gone, tenant_id in (await self._people.merged(customer_ids)).items():
            kept = await self._people.followed(tenant_id, gone)
            await self._gather(tenant_id, gone, kept)
            await self._follow_up(tenant_id, gone, kept)
            merged[gone] = kept
        return merged

    async def sweep(self) -> int:
        """Look again for what came too late, where it is time; answers where it looked."""
        now = self._clock.now()
        # all tenants: the relay's scan.
        with store_errors():
            due = (
                await self._customers.find(
                    {"sweepAt": {"$lte": now}}, {"tenantId": True, "sweeps": True}, hint="sweep"
                )
                .sort("sweepAt", 1)
                .limit(SWEPT_AT_ONCE)
                .to_list()
            )
        for gone in due:
            kept = await self._people.followed(gone["tenantId"], gone["_id"])
            await self._gather(gone["tenantId"], gone["_id"], kept)
            await self._follow_up(gone["tenantId"], gone["_id"], kept, everything=True)
            await self._sweep_later(gone, now)
        return len(due)

    async def _sweep_later(self, gone: Document, now: datetime) -> None:
        done = gone["sweeps"] + 1
        update: Document = {"$set": {"sweeps": done}}
        if done < len(SWEEP_AFTER):
            update["$set"]["sweepAt"] = now + SWEEP_AFTER[done]
        else:
            update["$unset"] = {"sweepAt": ""}
        with store_errors():
            await self._customers.update_one(
                {"_id": gone["_id"], "tenantId": gone["tenantId"]}, update
            )

    async def _merged(
        self, tenant_id: ObjectId, work: Callable[[Session], Awaitable[Merged]]
    ) -> Merged:
        merged = await atomically(self._database, work)
        for gone, kept in merged.items():
            log.info("customers.merged", tenant_id=str(tenant_id), gone=str(gone), kept=str(kept))
            await self._follow_up(tenant_id, gone, kept)
        return merged

    async def _gather(self, tenant_id: ObjectId, gone_id: ObjectId, kept_id: ObjectId) -> None:
        """Once more what a merge does, for what was stored since."""

        async def work(session: Session) -> None:
            gone = await self._customers.find_one(
                {"_id": gone_id, "tenantId": tenant_id}, session=session
            )
            if gone is not None:
                await self._absorption.absorb(session, tenant_id, gone, kept_id, again=True)

        await atomically(self._database, work)

    async def _follow_up(
        self,
        tenant_id: ObjectId,
        gone: ObjectId,
        kept: ObjectId,
        *,
        everything: bool = False,
    ) -> None:
        """What was stored while the transaction ran, and the settled messages, newest first.

        Whoever stored it asked before the commit, and was told that nobody is merged. The one who
        is kept may be merged meanwhile: what was brought there after that merge had looked is
        brought on.
        """
        late = {"tenantId": tenant_id, "conversationId": gone, "dueAt": UNSETTLED}
        with store_errors():
            found = await self._conversations.find_one(
                {"_id": gone, "tenantId": tenant_id}, {"_id": True}
            ) or await self._messages.find_one(late, {"_id": True}, hint="line")
        if found is not None:
            await self._gather(tenant_id, gone, kept)
        moved = 0
        while everything or moved < MOVED_AT_ONCE:
            batch = await self._move_settled(tenant_id, gone, kept)
            if not batch:
                break
            moved += batch
        now_is = await self._people.followed(tenant_id, kept)
        if now_is != kept:
            await self._gather(tenant_id, kept, now_is)
            await self._follow_up(tenant_id, kept, now_is, everything=everything)

    async def _move_settled(self, tenant_id: ObjectId, gone: ObjectId, kept: ObjectId) -> int:
        settled: Document = {
            "tenantId": tenant_id,
            "conversationId": gone,
            "dueAt": {"$exists": False},
        }
        with store_errors():
            newest = self._messages.find(settled, {"_id": True}, hint="conversation")
            found = await newest.sort("seq", -1).limit(BATCH).to_list()
            if found:
                await self._messages.update_many(
                    {**settled, "_id": {"$in": [one["_id"] for one in found]}},
                    {"$set": {"conversationId": kept}},
                    hint="_id_",
                )
        return len(found)
