"""Conversations that have to be made: nothing that was said in them is missed."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from bson import ObjectId

from manyline.conversations.models import Turn


async def test_a_turn_is_kept_when_another_makes_the_conversation_meanwhile(
    processes: Any, hours: Any
) -> None:
    """Between the update that found none and the look at which there are."""
    one, other = processes(2)
    who, now = ObjectId(), hours.now()
    first = Turn(one.tenant_id, who, now, "template", inbound=False)
    ours = Turn(one.tenant_id, who, now + timedelta(seconds=5), "hello", inbound=True)
    look = one.conversations._absent

    async def late_look(asked: Iterable[ObjectId]) -> set[ObjectId]:
        await other.conversations.record([first], first_met={who})
        found: set[ObjectId] = await look(asked)
        return found

    one.conversations._absent = late_look
    await one.conversations.record([ours])
    now_is = await one.conversations.get(one.tenant_id, who)
    assert now_is.last_message.preview == "hello"
    assert now_is.window_expires_at is not None


async def test_a_conversation_that_goes_while_it_is_noted_is_made_and_told_again(
    processes: Any, hours: Any
) -> None:
    """Deleted by merges twice; all that had to be made is answered, and no turn is lost."""
    one, other = processes(2)
    known, gone, now = ObjectId(), ObjectId(), hours.now()
    conversations = one.conversations._conversations

    def turn(who: ObjectId, seconds: int, text: str, inbound: bool) -> Turn:
        return Turn(one.tenant_id, who, now + timedelta(seconds=seconds), text, inbound=inbound)

    make = one.conversations._open
    deletions = [gone, known]

    async def delete_after(turns: Any) -> list[Turn]:
        left: list[Turn] = await make(turns)
        if deletions:
            await conversations.delete_one({"_id": deletions.pop()})
        return left

    one.conversations._open = delete_after
    await other.conversations.record([turn(known, 0, "old", True)])
    turns = [turn(gone, 1, "in", True), turn(gone, 2, "out", False), turn(known, 3, "new", True)]
    made = await one.conversations.record(turns)
    assert (made, deletions) == ({gone, known}, [])
    # What was there when it went has gone with it, to where the merge brought it.
    now_is = await one.conversations.get(one.tenant_id, gone)
    assert now_is.last_message.preview == "in"


async def test_two_who_make_one_conversation_both_note_their_turn(
    processes: Any, hours: Any
) -> None:
    one, other = processes(2)
    who, now = ObjectId(), hours.now()
    late = Turn(one.tenant_id, who, now + timedelta(seconds=5), "late", inbound=True)
    early = Turn(one.tenant_id, who, now, "early", inbound=False)
    make = one.conversations._open

    async def slow(turns: Any) -> list[Turn]:
        if turns:
            await other.conversations.record([early], first_met={who})
        left: list[Turn] = await make(turns)
        return left

    one.conversations._open = slow
    assert await one.conversations.record([late]) == {who}
    now_is = await one.conversations.get(one.tenant_id, who)
    assert (now_is.last_message.preview, now_is.window_expires_at is None) == ("late", False)
