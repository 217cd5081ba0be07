"""Who in a batch of sightings is one person, and what ties them to customers that are stored. Pure.

An item that carries two identities says that they are one person's; so do the forms of a number.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId

from manyline.customers.aliases import all_forms
from manyline.customers.models import Key, Left, Sighting

# Nobody gets another's number sooner, and Meta's parts need not agree on when it was left.
KEPT_FOR = timedelta(days=7)


@dataclass(slots=True)
class Person:
    """Sightings that are tied to each other, and every identity that they name."""

    tenant_id: ObjectId
    identities: set[str]
    sightings: list[Sighting]

    @property
    def keys(self) -> list[Key]:
        return [(self.tenant_id, identity) for identity in self.identities]

    @property
    def first_wrote_at(self) -> datetime | None:
        """The earliest of what they wrote here; None where nobody did."""
        return min((s.seen_at for s in self.sightings if s.seen_at is not None), default=None)

    @property
    def last_wrote_at(self) -> datetime | None:
        """The latest of what they wrote here; None where nobody did."""
        return max((s.seen_at for s in self.sightings if s.seen_at is not None), default=None)

    def goes_by(self, kind: str) -> str | None:
        """The number (`tel`) or user id (`bsuid`) that they wrote under last, or are called by."""
        start = kind + ":"
        if len(self.sightings) == 1 and not self.sightings[0].also:
            identity = self.sightings[0].identity
            return identity[len(start) :] if identity.startswith(start) else None
        last: tuple[datetime, str] | None = None
        called: str | None = None
        for sighting in self.sightings:
            for identity in (sighting.identity, *sighting.also):
                if not identity.startswith(start):
                    continue
                value = identity[len(start) :]
                called = value if called is None else min(called, value)
                if sighting.seen_at is not None:
                    wrote = (sighting.seen_at, value)
                    last = wrote if last is None else max(last, wrote)
        return last[1] if last is not None else called


@dataclass(frozen=True, slots=True)
class Known:
    """A stored customer, as far as it takes to tell who somebody is."""

    id: ObjectId
    identities: frozenset[str]
    left: tuple[Left, ...] = ()
    wa_id: str | None = None
    last_seen_at: datetime | None = None


def persons(sightings: Iterable[Sighting]) -> list[Person]:
    """The fewest persons that these sightings can be of."""
    by_key: dict[Key, Person] = {}
    for sighting in sightings:
        tenant_id = sighting.tenant_id
        named = set(all_forms(sighting.identity))
        for other in sighting.also:
            named.update(all_forms(other))
        person = Person(tenant_id, named, [sighting])
        same = [*_met(by_key, person), person]
        # Into the one that is known by most: thousands of one person take no longer than of many.
        one = max(same, key=lambda each: len(each.identities))
        for other_one in same:
            if other_one is not one:
                one.identities |= other_one.identities
                one.sightings += other_one.sightings
                by_key.update(dict.fromkeys(other_one.keys, one))
        if one is person:
            by_key.update(dict.fromkeys(person.keys, person))
    return list({id(person): person for person in by_key.values()}.values())


def _met(by_key: Mapping[Key, Person], person: Person) -> list[Person]:
    found: list[Person] = []
    for identity in person.identities:
        other = by_key.get((person.tenant_id, identity))
        if other is not None and all(other is not one for one in found):
            found.append(other)
    return found


def tied_to(person: Person, found: Mapping[Key, Known]) -> list[Known]:
    """The customers that hold any identity of a person."""
    if not found:
        return []
    held = (found.get(key) for key in person.keys)
    return list({known.id: known for known in held if known is not None}.values())


def given_up(person: Person, known: Known) -> frozenset[str]:
    """What ties a person to a customer who had left it long before they wrote: it is theirs now.

    Nothing, if anything else ties them: then they are the customer.
    """
    shared = known.identities & person.identities
    wrote_at = person.first_wrote_at
    if wrote_at is None:
        return frozenset()
    left = {one.identity for one in known.left if one.at + KEPT_FOR < wrote_at}
    return shared if shared <= left else frozenset()


def lacks(person: Person, known: Known) -> bool:
    """Whether a customer's document does not say yet all that these sightings tell of them."""
    if not person.identities <= known.identities:
        return True
    return known.wa_id != heard_as(person, known)


def heard_as(person: Person, known: Known) -> str | None:
    """The customer's number, in the form in which Meta itself writes it, once it is known.

    A message from before the last one says nothing: Meta may have changed the form since.
    """
    said = person.goes_by("tel")
    if known.wa_id is None:
        return said
    same = said is not None and f"tel:{said}" in all_forms(f"tel:{known.wa_id}")
    wrote_at = person.last_wrote_at
    if not same or wrote_at is None:
        return known.wa_id
    return said if known.last_seen_at is None or wrote_at >= known.last_seen_at else known.wa_id
