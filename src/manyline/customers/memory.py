"""Who was met lately, so that a known person costs no query.

Two generations: what is new goes into the young one; when that is full or old, it becomes the old
one and what was old is forgotten. So nothing is believed for longer than two of their times, which
bounds how long a process that is told nothing goes by what another has changed.

What a flush found or made may be undone with its primary (see `infra.one_wait`). So all that is
remembered was learned in one term of the primary, and is forgotten with the first flush of another.
"""

import time
from collections.abc import Callable, Collection, Iterable

from bson import ObjectId

from manyline.customers.models import Key

GENERATION = 50_000
GENERATION_SECONDS = 600.0


class Acquaintances:
    """Customers' ids by identity; at most 100,000, none longer than 20 minutes."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._young: dict[Key, ObjectId] = {}
        self._old: dict[Key, ObjectId] = {}
        self._until = now() + GENERATION_SECONDS
        self._term: int | None = None

    def get(self, key: Key) -> ObjectId | None:
        """The customer's id, if it was met lately."""
        return self._young.get(key) or self._old.get(key)

    def meet(self, key: Key, customer_id: ObjectId, *, term: int | None) -> None:
        """Remember a customer as found in the store just now, if that term is still remembered."""
        if term == self._term:
            self._young[key] = customer_id

    def age(self, *, term: int | None) -> None:
        """Let the generations move on, if it is time; call it once a batch, with its term."""
        if term != self._term:
            self._young, self._old, self._term = {}, {}, term
        now = self._now()
        if now >= self._until or len(self._young) > GENERATION:
            self._young, self._old = {}, self._young
            self._until = now + GENERATION_SECONDS

    def forget_keys(self, keys: Iterable[Key]) -> None:
        """Who is found under these is to be looked up anew."""
        for key in keys:
            self._young.pop(key, None)
            self._old.pop(key, None)

    def forget(self, customer_ids: Collection[ObjectId]) -> None:
        """These are no longer found under what they were found under."""
        if customer_ids:
            for generation in (self._young, self._old):
                for key in [k for k, one in generation.items() if one in customer_ids]:
                    del generation[key]
