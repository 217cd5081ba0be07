"""What was said of a message since: in any order, told twice, by whoever may say it."""

import itertools
from collections.abc import Callable
from typing import Any

from bson import ObjectId

from manyline.messages.folding import NOTHING, fold
from manyline.messages.models import Message
from manyline.messages.states import Direction, MessageStatus

CONVERSATION = ObjectId()
Make = Callable[..., Message]


def said(make_message: Make, type_: str, at: Any, **changes: Any) -> Message:
    values: dict[str, Any] = {
        "direction": Direction.IN,
        "status": MessageStatus.RECEIVED,
        "conversation_id": CONVERSATION,
        "type": type_,
        "sent_at": at,
        "wamid": f"wamid.{ObjectId()}",
        "sender": "+919111111111",
    }
    return make_message(**{**values, **changes})


def reaction(make_message: Make, emoji: str | None, at: Any, **changes: Any) -> Message:
    part = {"message_id": "wamid.1"} | ({} if emoji is None else {"emoji": emoji})
    return said(make_message, "reaction", at, content={"reaction": part}, **changes)


def test_nothing_was_said(make_message: Make) -> None:
    assert fold(make_message(), []) is NOTHING


def test_each_persons_last_reaction_counts_in_any_order(make_message: Make, at: Any) -> None:
    message = make_message(conversation_id=CONVERSATION)
    told = [
        reaction(make_message, "👍", at(1)),
        reaction(make_message, "❤️", at(3)),
        reaction(make_message, "🎉", at(2), direction=Direction.OUT, sender=None),
        reaction(make_message, "👎", at(1), conversation_id=ObjectId(), sender="+4912345678"),
        reaction(make_message, "", at(4), conversation_id=ObjectId()),
    ]
    for order in itertools.permutations(told):
        shown = {(r.sender, r.emoji) for r in fold(message, [*order, order[0]]).reactions}
        assert shown == {("+919111111111", "❤️"), (None, "🎉"), ("+4912345678", "👎")}


def test_without_an_emoji_it_is_taken_off(make_message: Make, at: Any) -> None:
    message = make_message(conversation_id=CONVERSATION)
    for removal in (None, ""):
        told = [reaction(make_message, removal, at(2)), reaction(make_message, "👍", at(1))]
        assert fold(message, told).reactions == []


def test_within_one_second_it_is_always_the_same_one(make_message: Make, at: Any) -> None:
    message = make_message(conversation_id=CONVERSATION)
    told = [reaction(make_message, emoji, at(1)) for emoji in "👍👎"]
    assert fold(message, told) == fold(message, told[::-1])


def test_the_last_edit_counts_and_the_first_revoke(make_message: Make, at: Any) -> None:
    message = said(make_message, "text", at(0))
    edits = [
        said(
            make_message,
            "edit",
            at(n),
            body=f"version {n}",
            content={"edit": {"message": {"type": "text", "n": n}}},
        )
        for n in (1, 3, 2)
    ]
    revokes = [said(make_message, "revoke", at(n)) for n in (9, 8)]
    folded = fold(message, edits + revokes)
    assert folded.edited is not None
    assert (folded.edited.body, folded.edited.content["n"]) == ("version 3", 3)
    assert (folded.edited.at, folded.revoked_at) == (at(3), at(8))


def test_only_who_wrote_it_edits_or_revokes(make_message: Make, at: Any) -> None:
    message = said(make_message, "text", at(0))
    others = [
        said(make_message, kind, at(1), **other)
        for kind in ("edit", "revoke")
        for other in ({"direction": Direction.OUT}, {"conversation_id": ObjectId()})
    ]
    assert fold(message, others).edited is None
    assert fold(message, others).revoked_at is None


def test_odd_content_harms_nothing(make_message: Make, at: Any) -> None:
    message = said(make_message, "text", at(0))
    for odd in (None, 7, [], "x"):
        told = [
            said(make_message, "reaction", at(1), content={"reaction": odd}),
            said(make_message, "edit", at(1), content={"edit": {"message": odd}}),
        ]
        folded = fold(message, told)
        assert folded.reactions == []
        assert folded.edited is not None
        assert folded.edited.content == {}
