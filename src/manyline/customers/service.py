"""Finding people: who is this, and have we met?"""

from collections.abc import Iterable
from dataclasses import dataclass

from bson import ObjectId

from manyline.base.clock import Clock
from manyline.customers.models import Sighting
from manyline.customers.repository import CustomerRepository, Key

CACHED_CUSTOMERS = 50_000


@dataclass(frozen=True, slots=True)
class People:
    """The customers of some sightings: their ids, and which of them were met just now."""

    ids: dict[Key, ObjectId]
    first_met: frozenset[ObjectId]


class CustomerService:
    """Resolves sightings to customers' ids, through a bounded memory of those met before."""

    def __init__(self, *, repository: CustomerRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock
        self._met: dict[Key, ObjectId] = {}

    async def resolve(self, sightings: Iterable[Sighting]) -> People:
        """The customer of each sighting, made when missing; `lastSeenAt` and names follow.

        At most one find and one insert for all unknown people, and one bulk of updates for
        those that were known; raises `StoreUnavailableError`.
        """
        latest = _latest(sightings)
        ids = {key: self._met[key] for key in latest if key in self._met}
        unknown = {key: latest[key] for key in latest if key not in ids}
        made: dict[Key, ObjectId] = {}
        if unknown:
            ids |= await self._repository.find(unknown)
            missing = [sighting for key, sighting in unknown.items() if key not in ids]
            if missing:
                made = await self._repository.insert_missing(missing, now=self._clock.now())
                ids |= made
            raced = [key for key in unknown if key not in ids]
            if raced:
                ids |= await self._repository.find(raced)
        await self._repository.see(
            (ids[key], sighting)
            for key, sighting in latest.items()
            if sighting.seen_at is not None and key not in made
        )
        for key in latest:
            self._remember(key, ids[key])
        return People(ids=ids, first_met=frozenset(made.values()))

    def _remember(self, key: Key, customer_id: ObjectId) -> None:
        self._met[key] = customer_id
        if len(self._met) > CACHED_CUSTOMERS:
            del self._met[next(iter(self._met))]


def _latest(sightings: Iterable[Sighting]) -> dict[Key, Sighting]:
    """One sighting per person: the last one seen."""
    latest: dict[Key, Sighting] = {}
    for sighting in sightings:
        key = (sighting.tenant_id, sighting.identity)
        known = latest.get(key)
        if known is None or _is_later(sighting, known):
            latest[key] = sighting
    return latest


def _is_later(one: Sighting, other: Sighting) -> bool:
    if one.seen_at is None or other.seen_at is None:
        return other.seen_at is None
    return one.seen_at >= other.seen_at
