"""Under how many names somebody is known, and what changes when they change."""

import random
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from manyline.customers.alias_notes import AliasNotes

NUMBER, OTHER = "tel:+919111111111", "tel:+919222222222"
BSUID, LATER_BSUID = "bsuid:IN.1", "bsuid:IN.2"
BRAZIL, BRAZIL_WITHOUT = "tel:+5511987654321", "tel:+551187654321"


async def customers(database: Any) -> list[dict[str, Any]]:
    query = {"mergedInto": {"$exists": False}}
    return [each async for each in database.customers.find(query).sort("_id", 1)]


async def test_one_message_with_both_makes_one_customer(process: Any, database: Any) -> None:
    await process.hear(NUMBER, BSUID, name="Asha", username="asha.r", parent_user_id="IN.ENT.9")
    [customer] = await customers(database)
    assert set(customer["identities"]) == {NUMBER, BSUID}
    assert (customer["waId"], customer["userId"]) == ("+919111111111", "IN.1")
    assert customer["parentUserId"] == "IN.ENT.9"
    for identity in (NUMBER, BSUID):
        await process.hear(identity)
        await process.write(identity)
    assert len(await customers(database)) == 1
    assert len(await process.said(customer["_id"])) == 5
    [shown] = (await process.repository.by_ids(process.tenant_id, [customer["_id"]])).values()
    assert (shown.name, shown.username, shown.user_id) == ("Asha", "asha.r", "IN.1")


async def test_a_known_number_gains_its_user_id(process: Any, database: Any) -> None:
    await process.hear(NUMBER)
    await process.hear(NUMBER, BSUID)
    [customer] = await customers(database)
    assert set(customer["identities"]) == {NUMBER, BSUID}
    assert customer["userId"] == "IN.1"
    await process.hear(BSUID)
    assert len(await customers(database)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [(BRAZIL, BRAZIL_WITHOUT), ("tel:+5215512345678", "tel:+525512345678")],
)
async def test_either_form_finds_the_customer(
    processes: Any, database: Any, one: str, other: str
) -> None:
    first, second = processes(2)
    await first.write(one)
    await first.write(other)
    await second.hear(other)
    [customer] = await customers(database)
    assert set(customer["identities"]) == {one, other}
    assert customer["waId"] == other.removeprefix("tel:")  # as Meta writes it
    await second.write(one)
    assert len(await customers(database)) == 1


async def test_an_old_message_brings_no_old_form_of_a_number_back(
    processes: Any, database: Any
) -> None:
    """As a replay of the ledger tells it, by a process that remembers nobody."""
    first, second = processes(2)
    old = first.clock.now() - timedelta(days=3)
    await first.hear(BRAZIL_WITHOUT, at=old)
    await first.hear(BRAZIL)
    await second.hear(BRAZIL_WITHOUT, at=old)
    [customer] = await customers(database)
    assert customer["waId"] == BRAZIL.removeprefix("tel:")


async def test_two_forms_that_were_two_customers_are_merged(process: Any, database: Any) -> None:
    """As a store of before the forms were known has them."""
    for identity in (BRAZIL, BRAZIL_WITHOUT):
        await database.customers.insert_one(
            {
                "tenantId": process.tenant_id,
                "identities": [identity],
                "waId": identity.removeprefix("tel:"),
                "createdAt": process.clock.now(),
            }
        )
    await process.hear(BRAZIL)
    [customer] = await customers(database)
    assert set(customer["identities"]) == {BRAZIL, BRAZIL_WITHOUT}


async def test_the_newest_name_counts_in_whatever_order_they_come(
    process: Any, database: Any
) -> None:
    now = process.clock.now()
    told = [(now - timedelta(hours=n), f"name {n}") for n in range(6)]
    random.Random(4).shuffle(told)
    for at, name in told:
        await process.hear(NUMBER, at=at, name=name)
    [customer] = await customers(database)
    assert customer["name"] == {"at": now, "is": "name 0"}
    assert customer["lastSeenAt"] == now


async def test_a_new_number_keeps_the_conversation(processes: Any, database: Any) -> None:
    process, other = processes(2)
    await process.hear(NUMBER, text="from the old number")
    await other.hear(NUMBER)
    changed_at = process.clock.now()
    for _ in range(2):  # Meta repeats itself.
        await process.told(changed_at, old_phone="+919111111111", new_phone="+919222222222")
    await process.hear(OTHER, text="from the new one")
    late = changed_at - timedelta(seconds=5)
    await other.hear(NUMBER, text="late", at=late)
    [customer] = await customers(database)
    assert customer["waId"] == "+919222222222"
    assert set(customer["identities"]) == {NUMBER, OTHER}
    said = await process.said(customer["_id"])
    assert said == ["from the old number", "hi", "from the new one", "late"]


async def test_who_gets_the_old_number_is_somebody_else(processes: Any, database: Any) -> None:
    process, other = processes(2)
    await process.hear(NUMBER, text="mine")
    changed_at = process.clock.now()
    await process.told(changed_at, old_phone="+919111111111", new_phone="+919222222222")
    process.clock.advance(days=100)
    await other.hear(NUMBER, "bsuid:IN.9", text="a stranger's")
    await process.hear(OTHER, text="mine too")
    mine, strangers = await customers(database)
    assert set(mine["identities"]) == {OTHER}
    assert set(strangers["identities"]) == {NUMBER, "bsuid:IN.9"}
    assert await process.said(strangers["_id"]) == ["a stranger's"]
    # What was told once is not told anew of the stranger.
    await other.told(changed_at, old_phone="+919111111111", new_phone="+919222222222")
    assert len(await customers(database)) == 2


async def test_a_number_that_was_a_strangers_long_ago_brings_nothing_of_theirs(
    process: Any, database: Any
) -> None:
    await process.hear(OTHER, text="a stranger's")
    process.clock.advance(days=90)
    await process.hear(NUMBER, text="mine")
    await process.told(process.clock.now(), old_phone="+919111111111", new_phone="+919222222222")
    await process.hear(OTHER, text="mine too")
    stranger, mine = await customers(database)
    assert set(mine["identities"]) == {NUMBER, OTHER}
    assert await process.said(mine["_id"]) == ["mine", "mine too"]
    assert await process.said(stranger["_id"]) == ["a stranger's"]
    assert stranger["identities"] == [f"nobody:{stranger['_id']}"]


async def test_a_new_user_id_keeps_the_conversation(process: Any, database: Any) -> None:
    await process.hear(NUMBER, BSUID)
    await process.told(
        process.clock.now(), old_phone="+919111111111", old_user_id="IN.1", new_user_id="IN.2"
    )
    await process.hear(LATER_BSUID)
    [customer] = await customers(database)
    assert set(customer["identities"]) == {NUMBER, BSUID, LATER_BSUID}
    assert (customer["waId"], customer["userId"]) == ("+919111111111", "IN.2")
    assert [one["identity"] for one in customer["left"]] == [BSUID]


async def test_a_move_of_somebody_unknown(process: Any, database: Any) -> None:
    await process.told(process.clock.now(), old_phone="+919111111111", new_phone="+919222222222")
    await process.hear(OTHER)
    [customer] = await customers(database)
    assert set(customer["identities"]) == {NUMBER, OTHER}


async def as_told(process: Any, customer: Any) -> list[Any]:
    """A customer without what no two stores have in common."""
    return [
        sorted(customer["identities"]),
        *(customer[field] for field in ("waId", "userId", "lastSeenAt")),
        customer.get("name"),
        sorted(one["identity"] for one in customer.get("left", ())),
        sorted(await process.said(customer["_id"])),
    ]


async def test_any_order_ends_in_the_same_people(processes: Any, database: Any) -> None:
    """Messages, moves and repeats of them, in any order and from two processes."""
    start = processes(1)[0].clock.now()

    def at(second: int) -> Any:
        return start + timedelta(seconds=second)

    stories: list[Any] = [
        lambda p: p.hear(NUMBER, at=at(0), name="Asha", text="0"),
        lambda p: p.hear(NUMBER, BSUID, at=at(1), text="1"),
        lambda p: p.told(at(2), old_phone="+919111111111", new_phone="+919222222222"),
        lambda p: p.told(at(3), old_phone="+919222222222", old_user_id="IN.1", new_user_id="IN.2"),
        lambda p: p.hear(OTHER, at=at(4), name="Asha R", text="4"),
        lambda p: p.hear(OTHER, LATER_BSUID, at=at(5), text="5"),
        lambda p: p.hear(LATER_BSUID, at=at(6), text="6"),
        lambda p: p.hear("tel:+919333333333", "bsuid:IN.3", at=at(7), text="7"),
    ]
    ends = []
    for seed in range(12):
        chance = random.Random(seed)
        order = [*stories, stories[2], stories[3]]
        chance.shuffle(order)
        pair = processes(2)
        for process in pair:
            process.tenant_id = ObjectId(bytes([seed]) * 12)
        for story in order:
            await story(chance.choice(pair))
        query = {"tenantId": pair[0].tenant_id, "mergedInto": {"$exists": False}}
        found = [each async for each in database.customers.find(query)]
        ends.append(sorted([await as_told(pair[0], each) for each in found]))
    assert len(ends[0]) == 2
    assert ends == [ends[0]] * len(ends)


async def test_graphs_answer_is_a_note_of_an_alias(process: Any, database: Any) -> None:
    notes = AliasNotes(process.customers)
    await process.write("tel:+4915112345678")
    await process.hear("tel:+4915112345679", text="from the form that Graph knows")
    asked = {"sent_to": "+4915112345678", "wa_id": "+4915112345679", "user_id": "DE.1"}
    notes.note(process.tenant_id, **asked)
    notes.note(process.tenant_id, sent_to="+919111111111", wa_id="+919111111111")
    await notes.drained()
    [customer] = await customers(database)
    expected = {"tel:+4915112345678", "tel:+4915112345679", "bsuid:DE.1"}
    assert set(customer["identities"]) == expected
    assert len(await process.said(customer["_id"])) == 2
