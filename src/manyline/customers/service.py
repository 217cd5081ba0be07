"""Finding people: who is this, and have we met? And noticing that two we met are one."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bson import ObjectId

from manyline.base.clock import Clock
from manyline.base.errors import StoreUnavailableError
from manyline.customers.memory import Acquaintances
from manyline.customers.models import Key, Moved, Sighting
from manyline.customers.persons import Known, Person, given_up, lacks, persons, tied_to
from manyline.customers.repository import CustomerRepository
from manyline.infra.one_wait import term_of_flush

ROUNDS = 8
"""A person is settled in one round, or two; each more means that somebody else was faster."""

Merged = dict[ObjectId, ObjectId]
"""Customers that were merged, and into whom."""


class Merges(Protocol):
    """Makes one customer of several, with all that was said; see `messages.merging`."""

    async def unite(self, tenant_id: ObjectId, identities: Collection[str]) -> Merged:
        """The customers under these identities become the oldest of them."""
        ...

    async def move(self, moved: Moved) -> Merged:
        """A customer left some identities for others."""
        ...

    async def reunite(self, customer_ids: Collection[ObjectId]) -> Merged:
        """Bring what was just stored under customers that are merged to where it belongs."""
        ...


@dataclass(frozen=True, slots=True)
class People:
    """The customers of some sightings: their ids, and which of them were met just now.

    `seen` is what `CustomerService.see` writes down of those that were known before.
    """

    ids: dict[Key, ObjectId]
    first_met: frozenset[ObjectId]
    seen: Sequence[tuple[ObjectId, Sighting]] = ()


class CustomerService:
    """Resolves sightings to customers' ids, through a bounded memory of those met before.

    All that this process remembers may be out of date, since others merge customers too. So who
    stores something under a customer's id then notes it in the conversation, and after that calls
    `reunite`: see `ConversationRepository.record`.
    """

    def __init__(self, *, repository: CustomerRepository, merges: Merges, clock: Clock) -> None:
        self._repository = repository
        self._merges = merges
        self._clock = clock
        self._met = Acquaintances()

    async def resolve(self, sightings: Iterable[Sighting]) -> People:
        """The customer of each sighting, made when missing; several that are one are merged.

        At most one find and one insert for all unknown people, unless identities have to be
        added or customers merged; raises `StoreUnavailableError`.
        """
        self._met.age(term=term_of_flush())
        latest = _latest(sightings)
        ids: dict[Key, ObjectId] = {}
        unknown: list[Sighting] = []
        for sighting in latest:
            key = (sighting.tenant_id, sighting.identity)
            customer_id = self._met.get(key)
            if customer_id is None or (sighting.also and not self._all(sighting, customer_id)):
                unknown.append(sighting)
            else:
                ids[key] = customer_id
        made: set[ObjectId] = set()
        if unknown:
            ids |= await self._settle(unknown, made)
        met = [(ids[sighting.tenant_id, sighting.identity], sighting) for sighting in latest]
        seen = [
            (customer_id, sighting)
            for customer_id, sighting in met
            if customer_id not in made and (sighting.seen_at or sighting.name or sighting.username)
        ]
        return People(ids=ids, first_met=frozenset(made), seen=seen)

    async def see(self, people: People) -> None:
        """Let `lastSeenAt` and names follow; raises `StoreUnavailableError`."""
        await self._repository.see(people.seen)

    async def changed(self, moves: Iterable[Moved]) -> None:
        """Follow customers to their new numbers and user ids; before `resolve` of the same batch.

        The customer keeps the conversation. What they left stays theirs for as long as nobody
        else is seen to use it, a week later or more. Raises `StoreUnavailableError`.
        """
        for moved in sorted(moves, key=lambda one: one.at):
            self._forget(await self._merges.move(moved))
            self._met.forget_keys((moved.tenant_id, who) for who in (*moved.old, *moved.new))

    async def reunite(self, customer_ids: Collection[ObjectId]) -> None:
        """Make sure that nothing stays where only a merged customer is; usually asks nothing.

        Raises `StoreUnavailableError`: then it is known to nobody that all is in its place, and
        the worker's sweep sees to it.
        """
        if customer_ids:
            self._forget(await self._merges.reunite(customer_ids))

    def _all(self, sighting: Sighting, customer_id: ObjectId) -> bool:
        tenant_id = sighting.tenant_id
        return all(self._met.get((tenant_id, other)) == customer_id for other in sighting.also)

    async def _settle(
        self, unknown: Iterable[Sighting], made: set[ObjectId]
    ) -> dict[Key, ObjectId]:
        """The customers of people we do not remember; the new ones are added to `made`."""
        settled: dict[Key, ObjectId] = {}
        waiting = persons(unknown)
        for _ in range(ROUNDS):
            found = await self._repository.find(key for person in waiting for key in person.keys)
            waiting = await self._settle_some(waiting, found, settled, made)
            if not waiting:
                return settled
        raise StoreUnavailableError(
            "the same customers were changed by too many at once; nothing was promised, try again"
        )

    async def _settle_some(
        self,
        waiting: Sequence[Person],
        found: dict[Key, Known],
        settled: dict[Key, ObjectId],
        made: set[ObjectId],
    ) -> list[Person]:
        """One round; answers those who are to be looked at again."""
        again: list[Person] = []
        new: list[Person] = []
        lacking: list[tuple[Person, Known]] = []
        for person in waiting:
            known = tied_to(person, found)
            if await self._let_go(person, known):
                again.append(person)
            elif not known:
                new.append(person)
            elif len(known) > 1:
                merged = await self._merges.unite(person.tenant_id, person.identities)
                self._forget(merged)
                again.append(person)
            elif lacks(person, known[0]):
                lacking.append((person, known[0]))
            else:
                self._meet(person, known[0].id, settled)
        again += await self._complete(lacking, settled)
        return again + await self._insert(new, settled, made)

    async def _let_go(self, person: Person, known: Iterable[Known]) -> bool:
        """Take from customers what they had left before this person wrote with it."""
        released = False
        for one in known:
            if identities := given_up(person, one):
                await self._repository.release(person.tenant_id, one.id, identities)
                self._met.forget({one.id})
                released = True
        return released

    async def _complete(
        self, lacking: Sequence[tuple[Person, Known]], settled: dict[Key, ObjectId]
    ) -> list[Person]:
        if not await self._repository.complete(lacking):
            return [person for person, _ in lacking]
        for person, known in lacking:
            self._meet(person, known.id, settled)
        return []

    async def _insert(
        self, new: Sequence[Person], settled: dict[Key, ObjectId], made: set[ObjectId]
    ) -> list[Person]:
        if not new:
            return []
        ids = await self._repository.insert_missing(new, now=self._clock.now())
        raced: list[Person] = []
        for person, customer_id in zip(new, ids, strict=True):
            if customer_id is None:
                raced.append(person)
            else:
                made.add(customer_id)
                self._meet(person, customer_id, settled)
        return raced

    def _meet(self, person: Person, customer_id: ObjectId, settled: dict[Key, ObjectId]) -> None:
        for key in person.keys:
            settled[key] = customer_id
        term = term_of_flush()
        for sighting in person.sightings:
            for identity in (sighting.identity, *sighting.also):
                self._met.meet((person.tenant_id, identity), customer_id, term=term)

    def _forget(self, merged: Merged) -> None:
        self._met.forget(merged.keys())


def _latest(sightings: Iterable[Sighting]) -> list[Sighting]:
    """One sighting per key, the last one seen; and before it what others tell besides."""
    latest: dict[Key, Sighting] = {}
    more: list[Sighting] = []
    for sighting in sightings:
        key = (sighting.tenant_id, sighting.identity)
        known = latest.get(key)
        if known is None:
            latest[key] = sighting
            continue
        earlier, later = (known, sighting) if _is_later(sighting, known) else (sighting, known)
        latest[key] = later
        if _tells_besides(earlier, later):
            more.append(earlier)
    return [*more, *latest.values()]


def _tells_besides(earlier: Sighting, later: Sighting) -> bool:
    return (earlier.also, earlier.name, earlier.username) != (
        later.also,
        later.name,
        later.username,
    )


def _is_later(one: Sighting, other: Sighting) -> bool:
    if one.seen_at is None or other.seen_at is None:
        return other.seen_at is None
    return one.seen_at >= other.seen_at
