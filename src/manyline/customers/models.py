"""A customer: one person who writes to one tenant, under any number of aliases."""

from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId


@dataclass(frozen=True, slots=True)
class Sighting:
    """Somebody who wrote, or is written to: what we know of them right now.

    `identity` is `tel:+…` or `bsuid:…`, the key under which the customer is found.
    `seen_at` is None for somebody who is written to without having written.
    """

    tenant_id: ObjectId
    identity: str
    name: str | None = None
    seen_at: datetime | None = None


def identity_of(*, phone: str | None, user_id: str | None) -> str:
    """The identity of a person, by number where there is one; raises `ValueError` for neither."""
    if phone is not None:
        return f"tel:{phone}"
    if user_id is not None:
        return f"bsuid:{user_id}"
    raise ValueError("a person has a phone number or a user id")


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
