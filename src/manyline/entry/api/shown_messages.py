"""Messages as the API answers them: as they stand, what they mean, what was said of them since."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from bson import ObjectId
from pydantic import Field

from manyline.entry.api.shown import Moment, Shown
from manyline.messages.contexts import ALONE, Context
from manyline.messages.explanations import explained
from manyline.messages.meaning import meaning_of
from manyline.messages.models import Message
from manyline.messages.states import MessageStatus
from manyline.messages.timeline import Entry


def is_none(value: object) -> bool:
    """For fields that are left out when they do not apply."""
    return value is None


def is_empty(value: object) -> bool:
    """For lists that are left out when there is nothing in them."""
    return not value


class NamedShown(Shown):
    """Another message; `messageId` is null when it is none that we have."""

    wa_message_id: str
    message_id: str | None


class ReactionShown(Shown):
    """What somebody thinks of the message now; `from` is null for the business itself."""

    direction: str
    sender: Annotated[str | None, Field(alias="from")]
    emoji: str
    at: Moment


class EditShown(Shown):
    """The words that the message has now; the message's own `body` stays as it was first."""

    body: str
    content: dict[str, Any]
    at: Moment


Applies = Field(exclude_if=is_none)


class MeaningShown(Shown):
    """What a message says beside its words; fields that do not apply are left out."""

    reply_to: Annotated[NamedShown | None, Applies] = None
    about: Annotated[
        NamedShown | None,
        Field(exclude_if=is_none, description="Of a reaction, an edit or a revoke."),
    ] = None
    forwarded: Annotated[bool | None, Applies] = None
    referral: Annotated[
        dict[str, Any] | None,
        Field(exclude_if=is_none, description="The ad or post that the customer came from."),
    ] = None
    referred_product: Annotated[dict[str, Any] | None, Applies] = None
    interactive: Annotated[
        dict[str, Any] | None,
        Field(
            exclude_if=is_none,
            description=(
                "The customer's answer: its `type` and members. Of a flow (`nfm_reply`), `response`"
                " is the decoded `response_json`."
            ),
        ),
    ] = None
    button: Annotated[dict[str, Any] | None, Applies] = None
    order: Annotated[dict[str, Any] | None, Applies] = None
    reactions: Annotated[list[ReactionShown], Field(default_factory=list, exclude_if=is_empty)]
    edited: Annotated[EditShown | None, Applies] = None
    revoked_at: Annotated[
        Moment | None,
        Field(exclude_if=is_none, description="Who wrote it has deleted it for everyone."),
    ] = None


class MessageShown(MeaningShown):
    """A message, either way."""

    message_id: str
    conversation_id: str
    direction: str
    status: str
    type: str
    body: str
    content: dict[str, Any]
    sender: Annotated[str | None, Field(alias="from")]
    recipient: Annotated[str | None, Field(alias="to")]
    wa_message_id: str | None
    idempotency_key: str | None
    source: Annotated[
        str,
        Field(
            description=(
                "`webhook`, `auto-reply`, `api`, `phone` (the business wrote it in the app there)"
                " or `history` (from before the number came here)."
            )
        ),
    ]
    attempts: int
    next_attempt_at: Moment | None
    status_at: dict[str, Moment]
    error: Annotated[
        dict[str, Any] | None,
        Field(description="A Graph error comes with its class, meaning, fix and Meta's page."),
    ]
    pricing: dict[str, Any] | None
    sent_at: Annotated[
        Moment | None,
        Field(description="By Meta's clock; null for what is sent through this API."),
    ]
    created_at: Moment


class EntryShown(Shown):
    """One event of a message's life; fields that do not apply are left out."""

    at: Moment
    event: str
    text: str
    attempt: Annotated[int | None, Applies] = None
    code: Annotated[int | None, Applies] = None
    details: Annotated[str | None, Applies] = None
    fbtrace_id: Annotated[str | None, Applies] = None
    until: Annotated[Moment | None, Applies] = None


class MessageDetailShown(MessageShown):
    """A message and all that happened to it, oldest first."""

    timeline: list[EntryShown]


class StatusShown(Shown):
    """A message has reached a status."""

    message_id: str
    conversation_id: str
    status: str
    at: Moment | None
    wa_message_id: str | None
    error: dict[str, Any] | None


def show_message(message: Message, context: Context = ALONE) -> MessageShown:
    """A message as the API answers it; without its context, by itself."""
    meaning, folded = meaning_of(message.content), context.folded
    edited = folded.edited
    return MessageShown(
        message_id=str(message.id),
        conversation_id=str(message.conversation_id),
        direction=message.direction,
        status=message.status,
        type=message.type,
        body=message.body,
        content=message.content,
        sender=message.sender,
        recipient=message.recipient,
        wa_message_id=message.wamid,
        idempotency_key=message.idempotency_key,
        source=message.source,
        attempts=message.attempts,
        next_attempt_at=message.next_attempt_at,
        status_at=message.status_at,
        error=explained(message.error, message.status),
        pricing=message.pricing,
        sent_at=message.sent_at,
        created_at=message.created_at,
        reply_to=_named(meaning.reply_to, context),
        about=_named(message.about_wamid, context),
        forwarded=meaning.forwarded,
        referral=meaning.referral,
        referred_product=meaning.referred_product,
        interactive=meaning.interactive,
        button=meaning.button,
        order=meaning.order,
        reactions=[
            ReactionShown(direction=one.direction, sender=one.sender, emoji=one.emoji, at=one.at)
            for one in folded.reactions
        ],
        edited=EditShown(**asdict(edited)) if edited is not None else None,
        revoked_at=folded.revoked_at,
    )


def show_detail(
    message: Message, timeline: Sequence[Entry], context: Context = ALONE
) -> MessageDetailShown:
    """A message with its timeline."""
    return MessageDetailShown(
        **show_message(message, context).model_dump(),
        timeline=[EntryShown(**asdict(entry)) for entry in timeline],
    )


def show_status(message: Message, status: MessageStatus) -> StatusShown:
    """What is told of a message that has reached a status."""
    return StatusShown(
        message_id=str(message.id),
        conversation_id=str(message.conversation_id),
        status=status,
        at=message.status_at.get(status),
        wa_message_id=message.wamid,
        error=explained(message.error, message.status),
    )


def _named(wamid: str | None, context: Context) -> NamedShown | None:
    if wamid is None:
        return None
    ours: ObjectId | None = context.id_of(wamid)
    return NamedShown(wa_message_id=wamid, message_id=str(ours) if ours is not None else None)
