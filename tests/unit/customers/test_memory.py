"""Whom a process remembers, and for how long."""

from bson import ObjectId

from manyline.customers import memory
from manyline.customers.memory import TERM_SECONDS, Acquaintances


class Hours:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_nobody_is_remembered_for_longer_than_two_terms() -> None:
    hours = Hours()
    met = Acquaintances(now=hours)
    key, customer_id = (ObjectId(), "tel:+1"), ObjectId()
    met.meet(key, customer_id)
    for term in (0.5, 1.5):
        hours.now = term * TERM_SECONDS
        met.age()
        assert met.get(key) == customer_id
    hours.now = 2.6 * TERM_SECONDS
    met.age()
    assert met.get(key) is None


def test_it_is_bounded(monkeypatch: object) -> None:
    met = Acquaintances(now=Hours())
    tenant_id = ObjectId()
    for n in range(2 * memory.GENERATION + 10):
        met.meet((tenant_id, f"tel:+{n}"), tenant_id)
        met.age()
    assert len(met._young) + len(met._old) <= 2 * memory.GENERATION + 2
    assert met.get((tenant_id, f"tel:+{2 * memory.GENERATION}")) == tenant_id


def test_those_who_were_merged_are_forgotten_in_both_generations() -> None:
    hours = Hours()
    met = Acquaintances(now=hours)
    gone, stays, tenant_id = ObjectId(), ObjectId(), ObjectId()
    met.meet((tenant_id, "tel:+1"), gone)
    hours.now = TERM_SECONDS
    met.age()
    met.meet((tenant_id, "tel:+2"), gone)
    met.meet((tenant_id, "tel:+3"), stays)
    met.forget({gone})
    assert met.get((tenant_id, "tel:+1")) is None
    assert met.get((tenant_id, "tel:+2")) is None
    assert met.get((tenant_id, "tel:+3")) == stays
