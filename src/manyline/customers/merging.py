"""What becomes of customers' documents when two are one person, or one changes identities. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from manyline.customers.documents import nobody
from manyline.customers.models import Moved

Document = dict[str, Any]

# A number is given to somebody else only after it was silent for long (operators wait for 45 to 90
# days): who wrote under it so long ago and not since is not the one who has it now.
OTHERS_AFTER = timedelta(days=30)
PERSONAL = (
    "waId",
    "userId",
    "parentUserId",
    "name",
    "username",
    "lastSeenAt",
    "optedOutAt",
    "left",
    "movedAt",
    "marketing",
)
NEWEST = ("lastSeenAt", "name", "username")


def has_news(gone: Mapping[str, Any]) -> bool:
    """Whether somebody has written to a signpost what is the other customer's."""
    return any(field in gone for field in PERSONAL)


def oldest_first(documents: Iterable[Document]) -> list[Document]:
    """The first one stays; the same one wherever the question is asked."""
    return sorted(documents, key=lambda one: (one["createdAt"], one["_id"]))


def signpost(gone: ObjectId, kept: ObjectId, *, sweep_at: datetime) -> Document:
    """What is left of a customer: whom to ask for, and when to look for what came too late."""
    fields: Document = {
        "identities": [nobody(gone)],
        "mergedInto": kept,
        "sweepAt": sweep_at,
        "sweeps": 0,
    }
    return {"$set": fields, "$unset": dict.fromkeys(PERSONAL, "")}


def joined(kept: Mapping[str, Any], gone: Mapping[str, Any]) -> Document:
    """What the customer who stays learns from the other; {} for nothing."""
    own = [one for one in gone["identities"] if one != nobody(gone["_id"])]
    says, opted_out_at = _wishes(kept, gone)
    fields = {
        field: gone[field]
        for field in ("waId", "userId", "parentUserId", "movedAt")
        if field in gone and field not in kept
    }
    update: Document = {
        "$addToSet": {
            field: {"$each": values}
            for field, values in (("identities", own), ("left", gone.get("left")))
            if values
        },
        "$max": {field: gone[field] for field in NEWEST if field in gone},
        "$set": fields | says | ({"optedOutAt": opted_out_at} if opted_out_at else {}),
        "$unset": {} if opted_out_at or "optedOutAt" not in kept else {"optedOutAt": ""},
    }
    return {operator: fields for operator, fields in update.items() if fields}


def _wishes(*both: Mapping[str, Any]) -> tuple[Document, datetime | None]:
    """What both together say of marketing messages, as `customers.preferences` keeps it."""
    opted_out = [one["optedOutAt"] for one in both if "optedOutAt" in one]
    said = [one["marketing"] for one in both if "marketing" in one]
    if not said:
        return {}, min(opted_out, default=None)
    last = max(said, key=lambda one: (one["at"], one["stopped"]))
    if last["stopped"]:
        return {"marketing": last}, last["at"]
    # Taken again: only what was refused after that still counts.
    since = [at for at in opted_out if at > last["at"]]
    return {"marketing": last}, min(since, default=None)


def is_former_owner(document: Mapping[str, Any], moved: Moved) -> bool:
    """Whether this customer had the new identities once, long before somebody else got them."""
    last_seen_at = document.get("lastSeenAt")
    return last_seen_at is not None and last_seen_at < moved.at - OTHERS_AFTER


def not_yet_left(new_holders: Sequence[Mapping[str, Any]], moved: Moved) -> list[str]:
    """What is left by a move, as far as that is not known yet: Meta repeats itself."""
    known = {
        one["identity"]
        for document in new_holders
        for one in document.get("left", ())
        if one["at"] >= moved.at
    }
    return [identity for identity in moved.left if identity not in known]


def relocated(customer: Mapping[str, Any], moved: Moved, names: Iterable[str]) -> Document:
    """The customer under the new identities too; the fields to set. The latest move counts.

    `names` are those of the old ones that are this customer's.
    """
    left = {(one["identity"], one["at"]) for one in customer.get("left", ())}
    left = {(who, at) for who, at in left if who not in moved.new or at > moved.at}
    left |= {(identity, moved.at) for identity in names if identity in moved.left}
    own = {one for one in customer["identities"] if one != nobody(customer["_id"])}
    moved_at = dict(customer.get("movedAt", {}))
    fields: Document = {
        "identities": sorted(own | set(names) | set(moved.new)),
        "left": [{"identity": who, "at": at} for who, at in sorted(left)],
    }
    for identity in reversed(moved.new):
        kind, _, value = identity.partition(":")
        if kind not in moved_at or moved_at[kind] <= moved.at:
            moved_at[kind] = moved.at
            fields["waId" if kind == "tel" else "userId"] = value
    return fields | {"movedAt": moved_at}


def without(document: Mapping[str, Any], identities: Iterable[str]) -> Document:
    """The fields to set of a customer who no longer has these."""
    own = [one for one in document["identities"] if one not in set(identities)]
    return {"identities": own or [nobody(document["_id"])]}
