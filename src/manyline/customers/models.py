"""A customer: one person who writes to one tenant, under any number of identities."""

from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from manyline.customers.aliases import all_forms

Key = tuple[ObjectId, str]
"""A tenant's id and an identity."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Somebody who wrote, is written to, or is told of: what we know of them right now.

    `identity` is `tel:+…` or `bsuid:…`, the key under which the customer is found; `also` holds
    the others that the same item carried, which say that all of them are one person.
    """

    tenant_id: ObjectId
    identity: str
    name: str | None = None
    seen_at: datetime | None = None
    """None for somebody who did not write."""
    also: tuple[str, ...] = ()
    username: str | None = None
    parent_user_id: str | None = None
    """The BSUID across the portfolios of one enterprise."""
    told_at: datetime | None = None
    """When the names were told, where that is not `seen_at`: the newest ones count."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Meta's word that a customer is known by something else since a time."""

    tenant_id: ObjectId
    old: tuple[str, ...]
    """What they were known by; a message about a user id may name the number, which stays."""
    left: tuple[str, ...]
    """Those of `old` that they no longer use."""
    new: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Left:
    """An identity that a customer no longer uses, and since when."""

    identity: str
    at: datetime


def identity_of(*, phone: str | None, user_id: str | None) -> str:
    """The identity of a person, by number where there is one; raises `ValueError` for neither."""
    if phone is not None:
        return f"tel:{phone}"
    if user_id is not None:
        return f"bsuid:{user_id}"
    raise ValueError("a person has a phone number or a user id")


def identities_of(*, phone: str | None, user_id: str | None) -> tuple[str, ...]:
    """Every identity that an item names, the one of `identity_of` first; () for neither."""
    named = (("tel", phone), ("bsuid", user_id))
    return tuple(f"{kind}:{value}" for kind, value in named if value is not None)


def moved(
    tenant_id: ObjectId,
    *,
    old_phone: str | None,
    new_phone: str | None,
    old_user_id: str | None,
    new_user_id: str | None,
    at: datetime,
) -> Moved | None:
    """The move that Meta told of; None where it does not say from what and to what.

    Of a number and a user id, only the kind that has a new one is left.
    """
    old = _written(phone=old_phone, user_id=old_user_id)
    new = _written(phone=new_phone, user_id=new_user_id)
    replaced = (
        *(_written(phone=old_phone, user_id=None) if new_phone else ()),
        *(_written(phone=None, user_id=old_user_id) if new_user_id else ()),
    )
    left = tuple(one for one in replaced if one not in new)
    return Moved(tenant_id, old, left, new, at) if old and new else None


def _written(*, phone: str | None, user_id: str | None) -> tuple[str, ...]:
    """As `identities_of`, in every form."""
    named = identities_of(phone=phone, user_id=user_id)
    return tuple(form for one in named for form in all_forms(one))


@dataclass(frozen=True, slots=True)
class Customer:
    """A stored customer."""

    id: ObjectId
    tenant_id: ObjectId
    identities: tuple[str, ...]
    created_at: datetime
    wa_id: str | None = None
    """E.164 with `+`; None for somebody who is known by a user id alone."""
    user_id: str | None = None
    username: str | None = None
    name: str | None = None
    last_seen_at: datetime | None = None
    opted_out_at: datetime | None = None
