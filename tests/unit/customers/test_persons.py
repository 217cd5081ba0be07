"""Who is one person: in any order the same."""

import random
import time
from datetime import UTC, datetime, timedelta

from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from manyline.customers.aliases import all_forms
from manyline.customers.models import Left, Moved, Sighting, moved
from manyline.customers.persons import Known, Person, given_up, heard_as, lacks, persons, tied_to

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ONE, TWO = ObjectId(), ObjectId()
IDENTITIES = [
    "tel:+919111111111",
    "tel:+919222222222",
    "tel:+5511987654321",
    "tel:+551187654321",
    "bsuid:IN.1",
    "bsuid:IN.2",
    "bsuid:IN.3",
]
sightings = st.builds(
    Sighting,
    tenant_id=st.sampled_from([ONE, TWO]),
    identity=st.sampled_from(IDENTITIES),
    also=st.lists(st.sampled_from(IDENTITIES), max_size=2, unique=True).map(tuple),
    seen_at=st.one_of(st.none(), st.integers(0, 9).map(lambda n: NOW + timedelta(seconds=n))),
)


def sighting(identity: str, *also: str, at: int | None = 0, tenant: ObjectId = ONE) -> Sighting:
    seen_at = NOW + timedelta(seconds=at) if at is not None else None
    return Sighting(tenant_id=tenant, identity=identity, also=also, seen_at=seen_at)


def person(*told: Sighting) -> Person:
    [one] = persons(told)
    return one


def as_sets(found: list[Person]) -> set[tuple[ObjectId, frozenset[str], str | None, str | None]]:
    return {
        (one.tenant_id, frozenset(one.identities), one.goes_by("tel"), one.goes_by("bsuid"))
        for one in found
    }


@given(st.lists(sightings, max_size=12), st.randoms())
def test_the_order_of_sightings_changes_nothing(
    told: list[Sighting], chance: random.Random
) -> None:
    shuffled = [*told, *told]
    chance.shuffle(shuffled)
    assert as_sets(persons(told)) == as_sets(persons(shuffled))


@given(st.lists(sightings, max_size=12))
def test_nobody_is_two_persons_and_nobodys_sighting_is_lost(told: list[Sighting]) -> None:
    found = persons(told)
    keys = [key for one in found for key in one.keys]
    assert len(keys) == len(set(keys))
    assert sorted(map(id, told)) == sorted(id(each) for one in found for each in one.sightings)
    for one in found:
        for each in one.sightings:
            named = {form for who in (each.identity, *each.also) for form in all_forms(who)}
            assert named <= one.identities
            assert each.tenant_id == one.tenant_id


def test_a_chain_of_items_is_one_person() -> None:
    found = persons(
        [
            sighting("tel:+919111111111"),
            sighting("bsuid:IN.2"),
            sighting("tel:+919222222222", "bsuid:IN.2"),
            sighting("tel:+919111111111", "bsuid:IN.1"),
            sighting("bsuid:IN.1", tenant=TWO),
        ]
    )
    assert {frozenset(one.identities) for one in found} == {
        frozenset({"tel:+919111111111", "bsuid:IN.1"}),
        frozenset({"tel:+919222222222", "bsuid:IN.2"}),
        frozenset({"bsuid:IN.1"}),
    }


def test_thousands_of_one_person_take_no_longer_than_of_many() -> None:
    """A webhook holds so many; each was put together with all before it, for 5 s of CPU."""

    def seconds(count: int) -> float:
        told = [sighting("tel:+919111111111", f"bsuid:IN.{n}") for n in range(count)]
        # Chains that meet at last, too.
        told += [sighting(f"bsuid:BR.{n}", f"bsuid:BR.{n + 1}") for n in range(count)]
        began = time.process_time()
        found = persons(told)
        taken = time.process_time() - began
        assert sorted(len(one.identities) for one in found) == [count + 1, count + 1]
        return taken

    few = min(seconds(500) for _ in range(5))
    # 16 times as many: 256 times the work, were each put together with all before it.
    assert min(seconds(8_000) for _ in range(3)) < 80 * few


def test_a_person_goes_by_what_they_wrote_under_last() -> None:
    sent = sighting("tel:+5511987654321", at=None)
    assert person(sent).goes_by("tel") == "+5511987654321"
    wrote = sighting("tel:+551187654321", "bsuid:BR.1")
    assert person(sent, wrote).goes_by("tel") == "+551187654321"
    assert person(sent, wrote).goes_by("bsuid") == "BR.1"
    assert person(sent).goes_by("bsuid") is None


def test_metas_own_form_of_a_number_is_shown_once_it_is_known() -> None:
    both = frozenset(all_forms("tel:+5511987654321"))
    as_sent = Known(ObjectId(), both, wa_id="+5511987654321")
    wrote = person(sighting("tel:+551187654321"))
    assert heard_as(wrote, as_sent) == "+551187654321"
    assert lacks(wrote, as_sent)
    assert not lacks(person(sighting("tel:+551187654321", at=None)), as_sent)
    other_number = Known(ObjectId(), both, wa_id="+919111111111")
    assert heard_as(wrote, other_number) == "+919111111111"


def test_an_old_message_that_is_told_again_brings_no_old_form_back() -> None:
    both = frozenset(all_forms("tel:+525512345678"))
    known = Known(ObjectId(), both, wa_id="+525512345678", last_seen_at=NOW)
    for at, form in ((-1, "+525512345678"), (0, "+5215512345678"), (1, "+5215512345678")):
        wrote = person(sighting("tel:+5215512345678", at=at))
        assert heard_as(wrote, known) == form
        assert lacks(wrote, known) == (at >= 0)


def test_what_was_left_is_theirs_who_write_with_it_later() -> None:
    left = (Left("tel:+919111111111", NOW),)
    known = Known(ObjectId(), frozenset({"tel:+919111111111", "bsuid:IN.1"}), left)
    before = person(sighting("tel:+919111111111", at=0))
    soon = person(sighting("tel:+919111111111", at=7 * 86_400))
    after = person(sighting("tel:+919111111111", at=7 * 86_400 + 1))
    same = person(sighting("tel:+919111111111", "bsuid:IN.1", at=30 * 86_400))
    sent_to = person(sighting("tel:+919111111111", at=None))
    assert given_up(after, known) == {"tel:+919111111111"}
    for who in (before, soon, same, sent_to):
        assert given_up(who, known) == frozenset()
    found = dict.fromkeys(((ONE, one) for one in known.identities), known)
    assert tied_to(after, found) == [known]


def test_only_the_kind_that_has_a_new_one_is_left() -> None:
    def told(**changes: str) -> Moved | None:
        fields = ("old_phone", "new_phone", "old_user_id", "new_user_id")
        return moved(ONE, **{field: changes.get(field) for field in fields}, at=NOW)

    number = told(old_phone="+5511987654321", new_phone="+919222222222", old_user_id="BR.1")
    assert number is not None
    assert set(number.left) == {"tel:+5511987654321", "tel:+551187654321"}
    assert set(number.old) == {*number.left, "bsuid:BR.1"}
    user_id = told(old_phone="+919111111111", old_user_id="IN.1", new_user_id="IN.2")
    assert user_id is not None
    assert (user_id.left, user_id.new) == (("bsuid:IN.1",), ("bsuid:IN.2",))
    assert told(old_phone="+919111111111") is None
    assert told(new_phone="+919111111111") is None
    again = told(old_phone="+551187654321", new_phone="+5511987654321")
    assert again is not None
    assert again.left == ()
