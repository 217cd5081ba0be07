"""What a settlement does to a message: from which states, and the update that does it. Pure.

Each is one conditional update. Whoever comes back late finds its condition unmet and changes
nothing, unless it knows better than what stands there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from manyline.messages.states import RANK, MessageStatus
from manyline.sending.models import Failed, InDoubt, Requeued, Sent

Document = dict[str, Any]

# From in_doubt too: whoever comes back late with Graph's answer knows better.
HELD_OR_DOUBTED: Document = {
    "status": {"$in": [MessageStatus.SENDING.value, MessageStatus.IN_DOUBT.value]}
}


def settled(settlement: Requeued | Failed | InDoubt) -> tuple[Document, Document]:
    """The filter and the update; a settlement counts only for the claim it was made under."""
    message = settlement.claim.message
    named: Document = {"_id": message.id, "tenantId": message.tenant_id}
    if isinstance(settlement, Requeued):
        condition, update = _requeued(settlement)
    elif isinstance(settlement, Failed):
        condition, update = _failed(settlement)
    else:
        condition, update = _in_doubt(settlement)
    return named | condition, update


def all_sent(sent: Sequence[Sent], *, with_wamid: bool = True) -> list[Document]:
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
    return HELD_OR_DOUBTED | {"lease.owner": settlement.claim.owner}, update


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
