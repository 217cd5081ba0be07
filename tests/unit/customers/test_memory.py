"""Whom a process remembers, and for how long."""

from bson import ObjectId

from manyline.customers import memory
from manyline.customers.memory import GENERATION_SECONDS, Acquaintances


class Hours:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_nobody_is_remembered_for_longer_than_two_generations() -> None:
    hours = Hours()
    met = Acquaintances(now=hours)
    key, customer_id = (ObjectId(), "tel:+1"), ObjectId()
    met.meet(key, customer_id, term=None)
    for passed in (0.5, 1.5):
        hours.now = passed * GENERATION_SECONDS
        met.age(term=None)
        assert met.get(key) == customer_id
    hours.now = 2.6 * GENERATION_SECONDS
    met.age(term=None)
    assert met.get(key) is None


def test_it_is_bounded(monkeypatch: object) -> None:
    met = Acquaintances(now=Hours())
    tenant_id = ObjectId()
    for n in range(2 * memory.GENERATION + 10):
        met.meet((tenant_id, f"tel:+{n}"), tenant_id, term=None)
        met.age(term=None)
    assert len(met._young) + len(met._old) <= 2 * memory.GENERATION + 2
    assert met.get((tenant_id, f"tel:+{2 * memory.GENERATION}")) == tenant_id


def test_those_who_were_merged_are_forgotten_in_both_generations() -> None:
    hours = Hours()
    met = Acquaintances(now=hours)
    gone, stays, tenant_id = ObjectId(), ObjectId(), ObjectId()
    met.meet((tenant_id, "tel:+1"), gone, term=None)
    hours.now = GENERATION_SECONDS
    met.age(term=None)
    met.meet((tenant_id, "tel:+2"), gone, term=None)
    met.meet((tenant_id, "tel:+3"), stays, term=None)
    met.forget({gone})
    assert met.get((tenant_id, "tel:+1")) is None
    assert met.get((tenant_id, "tel:+2")) is None
    assert met.get((tenant_id, "tel:+3")) == stays


def test_what_was_learned_in_another_term_of_the_primary_is_forgotten() -> None:
    met = Acquaintances(now=Hours())
    early, late, customer_id = (ObjectId(), "tel:+1"), (ObjectId(), "tel:+2"), ObjectId()
    met.age(term=4)
    met.meet(early, customer_id, term=4)
    assert met.get(early) == customer_id
    met.age(term=5)
    assert met.get(early) is None
    # A flush of the term before is still under way beside that of the new one.
    met.meet(late, customer_id, term=4)
    assert met.get(late) is None


def test_so_is_what_has_moved_on_to_the_old_generation() -> None:
    hours = Hours()
    met = Acquaintances(now=hours)
    key = (ObjectId(), "tel:+1")
    met.age(term=4)
    met.meet(key, ObjectId(), term=4)
    hours.now = GENERATION_SECONDS
    met.age(term=4)
    assert met.get(key) is not None
    met.age(term=5)
    assert met.get(key) is None
