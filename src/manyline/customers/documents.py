"""Customers as MongoDB keeps them: `_id tenantId identities waId? userId? parentUserId? name?
username? lastSeenAt? optedOutAt? createdAt left? movedAt? mergedInto? sweepAt? sweeps?`.

`name` and `username` are `{at, is}`: compared as a whole, their time first, so the newest one wins
in whatever order they come. `left` lists `{identity, at}`, what the customer used until then.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from manyline.customers.models import Customer, Left, Sighting
from manyline.customers.persons import Known, Person

Document = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KNOWN_FIELDS = dict.fromkeys(("tenantId", "identities", "left", "waId", "lastSeenAt"), True)


def new_customer(person: Person, now: datetime) -> Document:
    """Somebody whom nobody has met."""
    told = news(person.sightings[0])
    for sighting in person.sightings[1:]:
        for field, value in news(sighting).items():
            told[field] = max(told.get(field, value), value, key=_order)
    document: Document = {
        "_id": ObjectId(),
        "tenantId": person.tenant_id,
        "identities": sorted(person.identities),
        **told,
        "createdAt": now,
    }
    for field, value in (
        ("waId", person.goes_by("tel")),
        ("userId", person.goes_by("bsuid")),
        ("parentUserId", parent_of(person.sightings)),
    ):
        if value is not None:
            document[field] = value
    return document


def news(sighting: Sighting) -> Document:
    """What a sighting tells that may be newer than what is known; for `$max`."""
    told: Document = {}
    if sighting.seen_at is not None:
        told["lastSeenAt"] = sighting.seen_at
    at = sighting.told_at or sighting.seen_at or EPOCH
    if sighting.name is not None:
        told["name"] = {"at": at, "is": sighting.name}
    if sighting.username is not None:
        told["username"] = {"at": at, "is": sighting.username}
    return told


def parent_of(sightings: Iterable[Sighting]) -> str | None:
    found = None
    for sighting in sightings:
        if sighting.parent_user_id is not None:
            found = max(found or "", sighting.parent_user_id)
    return found


def nobody(customer_id: ObjectId) -> str:
    """The identity of a customer who has none left: the index wants one, and a different one."""
    return f"nobody:{customer_id}"


def known_from(document: Mapping[str, Any]) -> Known:
    """A document, read with `KNOWN_FIELDS`, as finding people needs it."""
    return Known(
        id=document["_id"],
        identities=frozenset(document["identities"]),
        left=tuple(Left(one["identity"], one["at"]) for one in document.get("left", ())),
        wa_id=document.get("waId"),
        last_seen_at=document.get("lastSeenAt"),
    )


def customer_from(document: Mapping[str, Any]) -> Customer:
    return Customer(
        id=document["_id"],
        tenant_id=document["tenantId"],
        identities=tuple(document["identities"]),
        created_at=document["createdAt"],
        wa_id=document.get("waId"),
        user_id=document.get("userId"),
        username=_told(document.get("username")),
        name=_told(document.get("name")),
        last_seen_at=document.get("lastSeenAt"),
        opted_out_at=document.get("optedOutAt"),
    )


def _told(value: Any) -> str | None:
    told: str | None = value["is"] if isinstance(value, dict) else value
    return told


def _order(value: Any) -> Any:
    return (value["at"], value["is"].encode()) if isinstance(value, dict) else value
