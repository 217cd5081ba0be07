"""What the product asks of MongoDB only when others were faster, or when much comes at once.

No test can bring such a moment about without waiting for it, so its repositories are asked here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from manyline.customers.models import Sighting
from manyline.customers.repository import CustomerRepository
from manyline.inbound.ledger.models import Arrival
from manyline.inbound.ledger.packing import pack
from manyline.inbound.ledger.repository import LedgerRepository
from manyline.inbound.models import StatusChange
from manyline.inbound.raising.repository import StatusRepository
from manyline.messages.merging import CustomerMerges
from manyline.messages.models import Pending
from manyline.messages.repository import MessageRepository
from manyline.messages.states import MessageStatus
from manyline.sending.models import Claim, Requeued, Sent
from manyline.sending.repository import SHORT_LINE, OutboxRepository
from manyline.tenants.repository import TenantRepository

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Stores:
    """The product's own client, whose questions are written down, and the test's."""

    product: Any
    test: Any


async def rarely(stores: Stores, tenant_id: ObjectId) -> None:
    """Each of these once."""
    found = {"tenantId": tenant_id, "direction": "OUT", "waMessageId": {"$exists": True}}
    one, other = await stores.test.messages.find(found).limit(2).to_list()
    await a_wamid_of_another(stores, one, other)
    await a_claim_that_is_lost(stores, one, other)
    await a_long_line_before_another(stores, tenant_id)
    await people_who_change(stores, tenant_id)
    now = datetime.now(UTC)
    tenants = TenantRepository(stores.product)
    await tenants.pause(tenant_id, version=-1, reason="a token", code=190, at=now)
    await MessageRepository(stores.product).by_wamid(tenant_id, other["waMessageId"])
    nothing: tuple[list[Arrival], bytes] = ([], pack([]))
    await LedgerRepository(stores.product).add([nothing] * 2, now=now, expires_at=now + MINUTE)


async def a_wamid_of_another(stores: Stores, one: Any, other: Any) -> None:
    """Meta names a message by a wamid that another one has: as a status, and as Graph's answer."""
    now = datetime.now(UTC)
    sending = {"$set": {"status": "sending", "statusRank": 1}, "$unset": {"waMessageId": ""}}
    await stores.test.messages.update_one({"_id": one["_id"]}, sending)
    sent = Sent(claim=_claim(one), wamid=other["waMessageId"], at=now)
    await OutboxRepository(stores.product).settle([sent])
    told = StatusChange(
        tenant_id=one["tenantId"],
        wamid=other["waMessageId"],
        message_id=one["_id"],
        status=MessageStatus.READ,
        at=now,
    )
    await StatusRepository(stores.product).raise_messages([told])
    one = await stores.test.messages.find_one({"_id": one["_id"]})
    assert (one["status"], "waMessageId" in one) == ("read", False)


async def a_claim_that_is_lost(stores: Stores, one: Any, other: Any) -> None:
    """Somebody else was first; and messages that wait behind others or until their own time."""
    outbox = OutboxRepository(stores.product)
    now = datetime.now(UTC)
    claims = [_claim(one), _claim(other)]
    assert await outbox.claim(claims, now=now) == []
    back = [Requeued(claim=one, at=now, due_at=now, claim_under_way=True) for one in claims]
    await outbox.settle(back)
    await outbox.park_behind([claim.message for claim in claims], until=now)
    await outbox.unpark([one["_id"], other["_id"]], now=now)
    await outbox.put_off({one["_id"]: now, other["_id"]: now})


async def a_long_line_before_another(stores: Stores, tenant_id: ObjectId) -> None:
    """So long that the other's head does not come with the first question."""
    like = await stores.test.messages.find_one({"tenantId": tenant_id, "direction": "OUT"})
    for field in ("waMessageId", "idempotencyKey", "troubleAt", "parkedUntil"):
        like.pop(field, None)
    waits = {"status": "queued", "dueAt": datetime.now(UTC) + timedelta(hours=1)}
    long, short = ObjectId(), ObjectId()
    lines = [long] * 2 * SHORT_LINE + [short]
    waiting = [{**like, **waits, "_id": ObjectId(), "conversationId": line} for line in lines]
    await stores.test.messages.insert_many(waiting)
    heads = await OutboxRepository(stores.product).heads([long, short])
    assert heads.keys() == {long, short}


async def people_who_change(stores: Stores, tenant_id: ObjectId) -> None:
    """What was noted of a customer who is gone by then follows; a number changes hands."""
    people = CustomerRepository(stores.product)
    gone = await stores.test.customers.find_one({"mergedInto": {"$exists": True}})
    now = datetime.now(UTC)
    late = Sighting(tenant_id=tenant_id, identity="tel:+919090000001", name="Asha", seen_at=now)
    await people.see([(gone["_id"], late)])
    await CustomerMerges(stores.product, clock=_Now()).reunite([gone["_id"]])
    kept = await people.followed(tenant_id, gone["_id"])
    await people.opt_out(tenant_id, gone["_id"], at=now)
    await people.release(tenant_id, kept, ["tel:+919090000001"])


class _Now:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def _claim(document: Any) -> Claim:
    now = datetime.now(UTC)
    message = Pending(
        id=document["_id"],
        tenant_id=document["tenantId"],
        conversation_id=document["conversationId"],
        phone_number_id=document["phoneNumberId"],
        recipient=document["to"],
        content=document["content"],
        status=MessageStatus.QUEUED,
        attempts=document["attempts"],
        due_at=now,
        created_at=document["createdAt"],
    )
    return Claim(message=message, owner="w/late", claimed_at=now, expires_at=now + MINUTE)
