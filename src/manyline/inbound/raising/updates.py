"""Which statuses go together, and the update that takes them into their messages. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from bson import ObjectId

from manyline.inbound.models import StatusChange
from manyline.messages.models import ELSEWHERE
from manyline.messages.states import RANK, MessageStatus

Document = dict[str, Any]

AT_ONCE = 100
"""Statuses in one update: each message searches the whole array for its place."""
MOST_ROUNDS = 8
"""Each is an update that everybody's webhooks wait for. Meta tells of a status in two ways at most:
with its pricing and without."""
# Queued again after a doubt, a message has no wamid to tell by, and no call that could have failed.
CALLED: Document = {
    "$or": [
        {"$ne": ["$status", MessageStatus.QUEUED.value]},
        {"$eq": [{"$type": "$attemptsBefore"}, "missing"]},
    ]
}
EARLIER_MATTERS = frozenset({MessageStatus.SENT, MessageStatus.FAILED})

Found = tuple[ObjectId, StatusChange]
"""A message's id, and what is to become of it."""


def rounds(found: Iterable[Found]) -> tuple[list[list[Found]], list[StatusChange]]:
    """In a round each message has each status once at the most; nearly always there is one round.

    The same told twice is one: the earliest time of it. Answers besides what `MOST_ROUNDS` have
    no room for.
    """
    rounds: list[dict[tuple[ObjectId, MessageStatus], Found]] = []
    left: list[StatusChange] = []
    for message_id, change in found:
        key = (message_id, change.status)
        for each in rounds:
            if (known := each.get(key)) is None:
                each[key] = (message_id, change)
                break
            if _same_but_for_its_time(known[1], change):
                if change.at < known[1].at:
                    each[key] = (message_id, change)
                break
        else:
            if len(rounds) < MOST_ROUNDS:
                rounds.append({key: (message_id, change)})
            else:
                left.append(change)
    return [list(each.values()) for each in rounds], left


def _same_but_for_its_time(one: StatusChange, other: StatusChange) -> bool:
    return one == other or replace(one, at=other.at, message_id=other.message_id) == other


def parts(found: Sequence[Found]) -> Iterator[list[Found]]:
    """By status, at most `AT_ONCE` each."""
    by_status: dict[MessageStatus, list[Found]] = {}
    for one in found:
        by_status.setdefault(one[1].status, []).append(one)
    for group in by_status.values():
        rest = iter(group)
        while part := list(islice(rest, AT_ONCE)):
            yield part


def raised(found: Sequence[Found], *, with_wamid: bool = True) -> list[Document]:
    """Take the status over where it ranks higher; keep each status' own time in any case.

    Any status says that Graph took the message, so it leaves the outbox. A late `sent` or `failed`
    for the wamid of an earlier round says nothing of a message that was replayed since; a
    `delivered` or `read` does: the customer has it. A `failed` counts only for the wamid that the
    message goes by, and leaves its lease: the call itself may still be under way.
    """
    status = found[0][1].status
    told: Document = {
        "$arrayElemAt": [
            {"$literal": [_told(change) for _, change in found]},
            {"$indexOfArray": [{"$literal": [message_id for message_id, _ in found]}, "$_id"]},
        ]
    }
    return [
        {"$set": {"_told": told}},
        {"$set": {f"_told.{name}": value for name, value in _conditions(status).items()}},
        {"$set": _fields(status, with_wamid=with_wamid) | _pricing(found)},
        {"$unset": "_told"},
    ]


def _pricing(found: Sequence[Found]) -> Document:
    """The same whichever of two statuses comes first."""
    if all(change.pricing is None for _, change in found):
        return {}
    return {"pricing": {"$ifNull": [{"$max": ["$pricing", "$_told.pricing"]}, "$$REMOVE"]}}


def _told(change: StatusChange) -> Document:
    told: Document = {"at": change.at, "wamid": change.wamid}
    if change.pricing is not None:
        told["pricing"] = change.pricing
    if change.error is not None:
        told["error"] = change.error
    return told


def _conditions(status: MessageStatus) -> Document:
    """`speaks`: it says something of the message as it is now. `counts`: it becomes its status."""
    higher = {"$gt": [RANK[status], "$statusRank"]}
    if status not in EARLIER_MATTERS:
        return {"counts": higher}
    earlier = {"$ifNull": ["$earlierWamids", []]}
    speaks = {"$not": [{"$in": ["$_told.wamid", earlier]}]}
    conditions: list[Document] = [higher, speaks]
    if status is MessageStatus.FAILED:
        own_wamid = {"$ifNull": ["$waMessageId", {"$cond": [CALLED, "$_told.wamid", None]}]}
        conditions.append({"$eq": [own_wamid, "$_told.wamid"]})
    return {"speaks": speaks, "counts": {"$and": conditions}}


def _fields(status: MessageStatus, *, with_wamid: bool) -> Document:
    failed = status is MessageStatus.FAILED

    def if_counts(new: object, old: str) -> Document:
        return {"$cond": ["$_told.counts", new, old]}

    def if_speaks(new: Document, old: str) -> Document:
        return {"$cond": ["$_told.speaks", new, old]} if status in EARLIER_MATTERS else new

    at = f"statusAt.{status.value}"
    # Meta tells whole seconds: without a floor, `sent` would seem to come before `sending`. What
    # was written elsewhere has its own time, and may have come to us after its statuses.
    floor = {"$ifNull": ["$sentAt", "$createdAt"]}
    told_at: Document = {"$max": ["$_told.at", floor, "$statusAt.sending"]}
    ends_attempt = {"$and": ["$_told.counts", {"$eq": ["$status", MessageStatus.SENDING.value]}]}
    fields: Document = {
        "status": if_counts(status.value, "$status"),
        "statusRank": if_counts(RANK[status], "$statusRank"),
        at: if_speaks({"$min": [f"${at}", told_at]}, f"${at}"),
        "dueAt": if_counts("$$REMOVE", "$dueAt"),
        "parkedUntil": if_counts("$$REMOVE", "$parkedUntil"),
        "behind": if_counts("$$REMOVE", "$behind"),
        "troubleAt": if_counts(_trouble(told_at) if failed else "$$REMOVE", "$troubleAt"),
        "error": if_counts("$_told.error" if failed else "$$REMOVE", "$error"),
        # The answer of the send itself, when it comes later, will find the message settled.
        "attempts": {"$add": ["$attempts", {"$cond": [ends_attempt, 1, 0]}]},
    }
    if not failed:
        fields["lease"] = if_counts("$$REMOVE", "$lease")
    if with_wamid:
        wamid = {"$ifNull": ["$waMessageId", "$_told.wamid"]}
        fields["waMessageId"] = if_speaks(wamid, "$waMessageId")
    return fields


def _trouble(at: Document) -> Document:
    """What was said elsewhere cannot be replayed, so it needs nobody."""
    return {"$cond": [{"$in": ["$source", list(ELSEWHERE)]}, "$$REMOVE", at]}
