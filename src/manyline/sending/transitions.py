"""What a move does to a message: from which states, and the update that does it. Pure.

Each is one conditional update. Whoever comes back late finds its condition unmet and changes
nothing, unless it knows better than what stands there.

`history` tells what happened besides plain success, oldest first, at most `MOST_HISTORY` entries:
`{at, event, attempt?, claimedAt?, code?, title?, details?, fbtraceId?, until?, by?, before?}`.
Success writes none: `statusAt` tells it. `troubleAt` stands while a message needs a person.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from manyline.messages.models import ELSEWHERE
from manyline.messages.states import RANK, MessageStatus, Move, sources
from manyline.sending.models import Failed, InDoubt, Parked, Requeued, Sent, Settlement, Wait

Document = dict[str, Any]

MOST_HISTORY = 20

# What only a message that is not settled has. A late answer may find it waiting in any way: with
# `parkedUntil` left, the relay would look after it for ever.
WAITING = ("lease", "dueAt", "behind", "parkedUntil", "error", "troubleAt")

UNDER_WAY: Document = {"$eq": ["$status", MessageStatus.SENDING.value]}
SETTLED_BY_SENT: Document = {"status": {"$in": sources(Move.SETTLE_SENT)}}


class Event(StrEnum):
    """What an entry of a message's history tells."""

    REFUSED = "refused"
    PARKED = "parked"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    REPLAYED = "replayed"
    RESENT = "resent"
    MARKED_SENT = "marked_sent"


def settled(settlement: Requeued | Parked | Failed | InDoubt) -> list[tuple[Document, Document]]:
    """Filters and updates, one for each state that it may find; at most one of them applies.

    A settlement counts only for the claim it was made under. Attempts are counted in the store:
    the claim may have been made from an older reading of the message. A doubt has counted the call
    that a late answer tells of.
    """
    message = settlement.claim.message
    named: Document = {
        "_id": message.id,
        "tenantId": message.tenant_id,
        "lease.owner": settlement.claim.owner,
    }
    move, update, counts = _move(settlement)
    return [
        (
            named | {"status": source},
            _counted(update, counts - (source == MessageStatus.IN_DOUBT)),
        )
        for source in sources(move)
    ]


def out_of_reach(settlement: Requeued) -> tuple[Document, Document]:
    """Before a claim is handed back that may still be on its way: let it win nothing any more.

    A claim takes what is due, by its own clock, at the moment that it was made for. In a store
    that stood still and wakes, it may come after its hand-back, which then found nothing to do.
    """
    message = settlement.claim.message
    not_yet: Document = {
        "_id": message.id,
        "tenantId": message.tenant_id,
        "status": MessageStatus.QUEUED.value,
        "$or": [{"dueAt": {"$lt": settlement.due_at}}, {"behind": True}],
    }
    return not_yet, {"$set": {"dueAt": settlement.due_at}, "$unset": {"behind": ""}}


def _move(settlement: Requeued | Parked | Failed | InDoubt) -> tuple[Move, Document, int]:
    if isinstance(settlement, Requeued):
        return Move.TRY_AGAIN, _requeued(settlement), int(settlement.counts)
    if isinstance(settlement, Parked):
        return Move.TRY_AGAIN, _parked(settlement), 0
    if isinstance(settlement, Failed):
        return Move.FAIL, _failed(settlement), int(settlement.counts)
    return Move.DOUBT, _in_doubt(settlement), 1


def _counted(update: Document, attempts: int) -> Document:
    return update | {"$inc": {**update.get("$inc", {}), "attempts": attempts}}


def all_sent(sent: Sequence[Sent], *, with_wamid: bool = True) -> list[Document]:
    """`sent` for many messages at once; each takes its own wamid and time from its place."""
    ids = [one.claim.message.id for one in sent]
    place: Document = {"$indexOfArray": [{"$literal": ids}, "$_id"]}

    def own(values: list[Any]) -> Document:
        return {"$arrayElemAt": [{"$literal": values}, place]}

    fields: Document = {
        **_status(MessageStatus.SENT),
        "statusAt.sent": own([one.at for one in sent]),
        # The doubt before a late answer has counted the call.
        "attempts": {"$add": ["$attempts", {"$cond": [UNDER_WAY, 1, 0]}]},
    }
    if with_wamid:
        fields["waMessageId"] = own([one.wamid for one in sent])
    return [{"$set": fields}, {"$unset": list(WAITING)}]


def replayed(*, at: datetime, expires_at: datetime, by: str) -> tuple[Document, list[Document]]:
    """Queue a failed or doubtful message again, as a new round of attempts.

    Not while a call of it may still be under way: its lease tells. Never what was said elsewhere:
    it was not ours to send. Its old wamid stays known, so that a late word about it is not taken
    for one about the new attempt.
    """
    no_call = [{"lease": {"$exists": False}}, {"lease.expiresAt": {"$lt": at}}]
    condition: Document = {
        "status": {"$in": sources(Move.REPLAY)},
        "source": {"$nin": list(ELSEWHERE)},
        "$or": no_call,
    }
    return condition, _new_round(Event.REPLAYED, at=at, expires_at=expires_at, by=by)


def resent(*, at: datetime, expires_at: datetime) -> tuple[Document, list[Document]]:
    """Queue a doubtful message again because its tenant would rather have it twice than never."""
    condition: Document = {
        "status": {"$in": sources(Move.RESEND)},
        "lease.expiresAt": {"$lt": at},
    }
    update = _new_round(Event.RESENT, at=at, expires_at=expires_at, by="inDoubtPolicy")
    return condition, update


def marked_sent(*, at: datetime, by: str) -> tuple[Document, Document]:
    """A person says that a doubtful message arrived."""
    told = {"event": Event.MARKED_SENT.value, "at": at, "by": by}
    update: Document = {
        "$set": _entered(MessageStatus.SENT, at),
        "$unset": {"lease": "", "error": "", "troubleAt": ""},
        "$push": _pushed(told),
    }
    return {"status": {"$in": sources(Move.MARK_SENT)}}, update


def _requeued(settlement: Requeued) -> Document:
    """From `in_doubt` too, by the claim's own holder: it knows that Graph did not take it."""
    error = settlement.error
    fields: Document = {**_status(MessageStatus.QUEUED), "dueAt": settlement.due_at}
    update: Document = {"$set": fields, "$unset": {"lease": "", "behind": "", "troubleAt": ""}}
    if error is not None:
        fields["error"] = error
        update["$push"] = _pushed(_told(settlement, Event.REFUSED, error, until=settlement.due_at))
    if settlement.longer_next_time is not None:
        update["$inc"] = {settlement.longer_next_time.value: 1}
    return update


def _parked(settlement: Parked) -> Document:
    """Without `dueAt` it is in no line, so nobody waits behind it."""
    fields: Document = {
        **_status(MessageStatus.QUEUED),
        "parkedUntil": settlement.until,
        "expiresAt": settlement.expires_at,
        "error": settlement.error,
    }
    told = _told(settlement, Event.PARKED, settlement.error, until=settlement.until)
    unset = {"dueAt": "", "lease": "", "behind": "", "troubleAt": ""}
    return {
        "$set": fields,
        "$unset": unset,
        "$push": _pushed(told),
        "$inc": {Wait.LONG.value: 1},
    }


def _failed(settlement: Failed) -> Document:
    fields = _entered(MessageStatus.FAILED, settlement.at) | {
        "error": settlement.error,
        "troubleAt": settlement.at,
    }
    told = _told(settlement, Event.FAILED, settlement.error)
    return {"$set": fields, "$unset": {"lease": "", "dueAt": ""}, "$push": _pushed(told)}


def _in_doubt(settlement: InDoubt) -> Document:
    """The lease stays in the document: its holder may still come back with an answer."""
    error = {"title": settlement.reason}
    fields = _entered(MessageStatus.IN_DOUBT, settlement.at) | {
        "error": error,
        "troubleAt": settlement.at,
    }
    told = _told(settlement, Event.IN_DOUBT, error)
    return {"$set": fields, "$unset": {"dueAt": ""}, "$push": _pushed(told)}


def _new_round(event: Event, *, at: datetime, expires_at: datetime, by: str) -> list[Document]:
    """What the message was before goes into its history; then it starts as a new one does."""
    before: Document = {
        "status": "$status",
        "statusAt": "$statusAt",
        "waMessageId": "$waMessageId",
        "error": "$error",
    }
    told = {"event": event.value, "at": at, "by": {"$literal": by}, "before": before}
    with_told = {"$concatArrays": [_or_none_yet("$history"), [told]]}
    own_wamid = {"$cond": [{"$ifNull": ["$waMessageId", False]}, ["$waMessageId"], []]}
    fields: Document = {
        **_status(MessageStatus.QUEUED),
        "history": {"$slice": [with_told, -MOST_HISTORY]},
        "statusAt": {"queued": "$statusAt.queued"},
        "dueAt": at,
        "expiresAt": expires_at,
        "attemptsBefore": "$attempts",
        "earlierWamids": {
            "$slice": [
                {"$concatArrays": [_or_none_yet("$earlierWamids"), own_wamid]},
                -MOST_HISTORY,
            ]
        },
    }
    gone = ["waMessageId", "lease", "behind", "error", "troubleAt", "parkedUntil", "pricing"]
    gone += [wait.value for wait in Wait]
    # Two stages: the first reads the message as it was.
    return [{"$replaceWith": {"$mergeObjects": ["$$ROOT", fields]}}, {"$unset": gone}]


def _or_none_yet(array: str) -> Document:
    return {"$ifNull": [array, []]}


def _told(
    settlement: Settlement, event: Event, error: Document, *, until: datetime | None = None
) -> Document:
    claim = settlement.claim
    told: Document = {
        "event": event.value,
        "at": settlement.at,
        "attempt": claim.message.attempts + 1,
        "claimedAt": claim.claimed_at,
        **error,
    }
    return told if until is None else told | {"until": until}


def _pushed(told: Document) -> Document:
    return {"history": {"$each": [told], "$slice": -MOST_HISTORY}}


def _status(status: MessageStatus) -> Document:
    return {"status": status.value, "statusRank": RANK[status]}


def _entered(status: MessageStatus, at: datetime) -> Document:
    return {**_status(status), f"statusAt.{status.value}": at}
