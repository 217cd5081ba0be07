"""Two customers who turn out to be one: all that was theirs is one person's afterwards."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from manyline.conversations.models import ConversationNotFoundError, Turn
from manyline.customers.models import Sighting
from manyline.customers.preferences import PreferenceRepository
from manyline.messages import merging
from manyline.messages.documents import outbound_document
from manyline.messages.models import NewOutbound
from manyline.messages.states import MessageStatus
from manyline.meta.payloads import text_content
from manyline.sending.repository import OutboxRepository
from manyline.sending.stuck import StuckRepository

NUMBER, BSUID = "tel:+919111111111", "bsuid:IN.1"


async def two_customers(process: Any) -> tuple[Any, Any]:
    """By number the older, by user id the younger; each wrote and was written to."""
    for n in range(2):
        await process.hear(NUMBER, text=f"number {n}")
        await process.write(NUMBER, text=f"to number {n}")
        await process.hear(BSUID, text=f"user id {n}")
        await process.write(BSUID, text=f"to user id {n}")
    return await process.customer(NUMBER), await process.customer(BSUID)


async def test_one_conversation_of_two_with_every_message_in_its_order(
    process: Any, database: Any
) -> None:
    older, younger = await two_customers(process)
    await process.hear(NUMBER, BSUID, text="both")
    assert await process.customer(BSUID) == older
    said = [
        text
        for n in range(2)
        for text in (f"number {n}", f"to number {n}", f"user id {n}", f"to user id {n}")
    ]
    assert await process.said(older) == [*said, "both"]
    assert await process.said(younger) == [*said, "both"]
    assert await database.conversations.count_documents({}) == 1
    page = await process.repository.list_page(process.tenant_id, limit=10, cursor=None)
    assert [one.id for one in page.items] == [older]
    signpost = await database.customers.find_one({"_id": younger})
    assert signpost["mergedInto"] == older
    assert set(signpost) == {
        *("_id", "tenantId", "identities", "createdAt", "mergedInto", "sweepAt", "sweeps")
    }


async def test_the_window_and_what_was_read_follow(process: Any, database: Any) -> None:
    await process.hear(NUMBER)
    older = await process.customer(NUMBER)
    read_at = process.clock.now()
    await process.conversations.mark_read(process.tenant_id, older, at=read_at)
    said_at = process.clock.now()
    await process.hear(BSUID, text="unread", at=said_at)
    younger = await process.customer(BSUID)
    await process.hear(NUMBER, BSUID, at=said_at - timedelta(hours=1))
    conversation = await process.conversations.get(process.tenant_id, younger)
    assert conversation.id == older
    assert conversation.window_expires_at == said_at + timedelta(hours=24)
    assert conversation.last_message.preview == "unread"
    assert conversation.read_at is None
    unread = await process.messages.unread(process.tenant_id, {older: conversation.read_at})
    assert unread == {older: 3}
    now = process.clock.now()
    read = await process.conversations.mark_read(process.tenant_id, younger, at=now)
    assert (read.id, read.read_at) == (older, now)


async def test_other_tenants_see_nothing_of_it(process: Any, processes: Any) -> None:
    _, younger = await two_customers(process)
    await process.hear(NUMBER, BSUID)
    other = ObjectId()
    with pytest.raises(ConversationNotFoundError):
        await process.conversations.get(other, younger)
    assert await process.repository.followed(other, younger) == younger


async def test_a_chain_of_merges_is_followed_to_its_end(process: Any) -> None:
    third = "bsuid:IN.3"
    for identity in (NUMBER, BSUID, third):
        await process.hear(identity, text=identity)
    oldest, middle, youngest = [await process.customer(i) for i in (NUMBER, BSUID, third)]
    await process.hear(BSUID, third)
    assert await process.customer(third) == middle
    await process.hear(NUMBER, BSUID)
    said = await process.said(oldest)
    assert len(said) == 5
    assert await process.said(middle) == await process.said(youngest) == said


async def test_the_line_is_one_line_and_the_old_one_is_closed(process: Any, mongo: Any) -> None:
    outbox = OutboxRepository(mongo.database)
    first = await process.write(BSUID, text="first")
    older = await process.customer(BSUID)
    second = await process.write(NUMBER, text="second")
    third = await process.write(BSUID, text="third")
    younger = await process.customer(NUMBER)
    later = process.clock.now() + timedelta(minutes=1)
    waiting = await outbox.find_queued([second])
    await outbox.park_behind(waiting, until=later)
    await process.hear(NUMBER, BSUID)
    assert await outbox.heads([older]) == {older: first}
    [moved] = await outbox.find_queued([second])
    assert (moved.conversation_id, moved.behind) == (older, False)
    assert moved.due_at < later
    # Whoever still believes in the other line finds that nothing in it may go.
    heads = await outbox.heads([older, younger])
    assert heads[younger] not in {first, second, third}
    assert await outbox.next_in_line([younger]) == []
    assert await outbox.find_queued([heads[younger]]) == []
    due = await outbox.due(process.tenant_id, now=process.clock.now(), limit=10)
    assert {one.id for one in due} == {first, second, third}
    stuck = StuckRepository(mongo.database)
    statuses = (MessageStatus.QUEUED, MessageStatus.SENDING)
    overdue = [await stuck.oldest_due(status, before=later) for status in statuses]
    assert {tenant_id for found in overdue for tenant_id in found} == {process.tenant_id}


async def stray(process: Any, customer_id: Any, text: str) -> None:
    """As a process stores it that resolved the customer before they were merged, and died."""
    message = NewOutbound(
        id=ObjectId(),
        tenant_id=process.tenant_id,
        conversation_id=customer_id,
        phone_number_id="111",
        recipient="+919111111111",
        type="text",
        body=text,
        content=text_content(text),
        source="api",
        idempotency_key=text,
        created_at=process.clock.now(),
    )
    await process.messages.insert([outbound_document(message)])


async def test_what_a_process_with_an_old_memory_stores_is_not_lost(processes: Any) -> None:
    process, forgetful = processes(2)
    older, younger = await two_customers(process)
    # It remembers both, and is told nothing of the merge.
    for identity in (NUMBER, BSUID):
        await forgetful.write(identity, text="before")
    await process.hear(NUMBER, BSUID, text="merged")
    await forgetful.write(BSUID, text="late")
    await forgetful.hear(BSUID, text="late too")
    said = await process.said(older)
    assert said[-3:] == ["merged", "late", "late too"]
    people = await forgetful.customers.resolve([Sighting(process.tenant_id, BSUID)])
    assert set(people.ids.values()) == {older}
    assert younger != older


async def test_somebody_who_is_merged_while_they_are_first_met(processes: Any) -> None:
    """The customer was made, and merged before its conversation was."""
    process, slow = processes(2)
    await process.hear(NUMBER)
    people = await slow.customers.resolve([Sighting(slow.tenant_id, BSUID)])
    [met] = people.first_met
    await process.hear(NUMBER, BSUID)
    await stray(slow, met, "the first words")
    turn = Turn(slow.tenant_id, met, slow.clock.now(), "the first words", inbound=False)
    made = await slow.conversations.record([turn], first_met=people.first_met)
    await slow.customers.reunite(made)
    assert "the first words" in await process.said(await process.customer(NUMBER))


async def test_the_sweep_finds_what_a_dead_process_left(
    process: Any, database: Any, mongo: Any
) -> None:
    older, younger = await two_customers(process)
    await process.hear(NUMBER, BSUID)
    await stray(process, younger, "left behind")
    outbox = OutboxRepository(mongo.database)
    heads = await outbox.heads([younger])
    [queued] = [each async for each in database.messages.find({"body": "left behind"})]
    assert heads[younger] != queued["_id"]
    assert await process.merges.sweep() == 0  # not yet
    process.clock.advance(seconds=11)
    assert await process.merges.sweep() == 1
    assert (await process.said(older))[-1] == "left behind"
    for wait in merging.SWEEP_AFTER[1:]:
        await stray(process, younger, f"after {wait}")
        process.clock.advance(seconds=wait.total_seconds() + 1)
        assert await process.merges.sweep() == 1
        assert (await process.said(older))[-1] == f"after {wait}"
    process.clock.advance(days=100)
    assert await process.merges.sweep() == 0
    assert "sweepAt" not in await database.customers.find_one({"_id": younger})


async def test_a_long_history_follows_without_holding_up_a_webhook(
    process: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(merging, "BATCH", 4)
    monkeypatch.setattr(merging, "MOVED_AT_ONCE", 8)
    await process.hear(NUMBER)
    for n in range(20):
        await process.hear(BSUID, text=f"{n}")
    older = await process.customer(NUMBER)
    await process.hear(NUMBER, BSUID, text="both")
    # The newest first: they are what somebody looks at.
    assert await process.said(older) == ["hi", *(f"{n}" for n in range(12, 20)), "both"]
    process.clock.advance(seconds=11)
    await process.merges.sweep()
    assert await process.said(older) == ["hi", *(f"{n}" for n in range(20)), "both"]


async def test_wishes_and_names_follow(process: Any, database: Any, mongo: Any) -> None:
    await process.hear(NUMBER, name="Old name")
    await process.hear(BSUID, name="New name", username="asha")
    younger = await process.customer(BSUID)
    opted_out_at = process.clock.now()
    await process.repository.opt_out(process.tenant_id, younger, at=opted_out_at)
    await process.hear(NUMBER, BSUID)
    customer = await database.customers.find_one({"mergedInto": {"$exists": False}})
    assert customer["optedOutAt"] == opted_out_at
    assert (customer["name"]["is"], customer["username"]["is"]) == ("New name", "asha")
    # Of somebody who still goes by the other's id, too.
    preferences = PreferenceRepository(mongo.database)
    again = _Preference(category="marketing_messages", stopped=False)
    await preferences.note([(process.tenant_id, younger, again, process.clock.now())])
    process.clock.advance(seconds=11)
    await process.merges.sweep()
    customer = await database.customers.find_one({"_id": customer["_id"]})
    assert "optedOutAt" not in customer
    refused_again_at = process.clock.now()
    await process.repository.opt_out(process.tenant_id, younger, at=refused_again_at)
    customer = await database.customers.find_one({"_id": customer["_id"]})
    assert customer["optedOutAt"] == refused_again_at


class _Preference:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)
