"""What later messages say of an earlier one: reactions, an edit, that it was revoked. Pure.

They are stored as messages of their own and folded onto theirs when that one is read. So it does
not matter which came first, nor how often, and nothing that was said is ever overwritten.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from manyline.messages.models import Message
from manyline.messages.states import Direction

REACTION, EDIT, REVOKE = "reaction", "edit", "revoke"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What somebody thinks of a message now."""

    direction: Direction
    sender: str | None
    """The customer; None for the business itself."""
    emoji: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Edit:
    """The words that a message was given since; `content` is Meta's object of the new message."""

    body: str
    content: dict[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Folded:
    """A message's standing by all that was said of it."""

    reactions: Sequence[Reaction] = ()
    edited: Edit | None = None
    revoked_at: datetime | None = None


NOTHING = Folded()


def fold(message: Message, about: Iterable[Message]) -> Folded:
    """`about` is whatever names this message, in any order; the same twice counts once."""
    told = sorted(about, key=_when)
    if not told:
        return NOTHING
    # Only who wrote a message can change it or take it back.
    own = [one for one in told if _same_author(one, message)]
    return Folded(
        reactions=_reactions(one for one in told if one.type == REACTION),
        edited=_edited([one for one in own if one.type == EDIT]),
        revoked_at=next((_said_at(one) for one in own if one.type == REVOKE), None),
    )


def _reactions(told: Iterable[Message]) -> list[Reaction]:
    """Each person's last; one without an emoji takes it off."""
    latest: dict[tuple[Direction, object], Reaction] = {}
    for one in told:
        emoji = _part(one, REACTION).get("emoji")
        latest[one.direction, one.conversation_id] = Reaction(
            direction=one.direction,
            sender=one.sender,
            emoji=emoji if isinstance(emoji, str) else "",
            at=_said_at(one),
        )
    return [reaction for reaction in latest.values() if reaction.emoji]


def _edited(told: Sequence[Message]) -> Edit | None:
    if not told:
        return None
    content = _part(told[-1], EDIT).get("message")
    return Edit(
        body=told[-1].body,
        content=content if isinstance(content, dict) else {},
        at=_said_at(told[-1]),
    )


def _part(message: Message, name: str) -> dict[str, Any]:
    part = message.content.get(name)
    return part if isinstance(part, dict) else {}


def _same_author(one: Message, other: Message) -> bool:
    return (one.direction, one.conversation_id) == (other.direction, other.conversation_id)


def _when(message: Message) -> tuple[datetime, str]:
    """Meta tells whole seconds; within one the wamid decides, so that it is always the same."""
    return _said_at(message), message.wamid or ""


def _said_at(message: Message) -> datetime:
    return message.sent_at or message.created_at
