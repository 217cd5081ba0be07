"""A number that is also on the WhatsApp Business app: what is written there, was written before,
and who stands in its address book (the fields `smb_message_echoes`, `history` and
`smb_app_state_sync`)."""

from typing import NamedTuple

from manyline.meta import phone
from manyline.meta.readable import readable_text
from manyline.meta.webhook.accounts import history_event
from manyline.meta.webhook.change import Change
from manyline.meta.webhook.intake import Intake
from manyline.meta.webhook.items import (
    UNSUPPORTED,
    ContactSync,
    EchoMessage,
    Item,
    JsonObject,
    PastMessage,
)
from manyline.meta.webhook.messages import TYPES, about
from manyline.meta.webhook.values import digits, listed, member, moment, name, text, unreadable

# `template` and `media_placeholder` (its media may follow by the same id) come only here.
TYPES_FROM_THE_PHONE = TYPES | {"template", "media_placeholder"}


class _Thread(NamedTuple):
    """The conversation that past messages stand in."""

    business: str | None
    """The business' own number, digits."""
    phone: str | None
    user_id: str | None


def add_echoes(change: Change, intake: Intake) -> None:
    """What the business wrote on its phone."""
    for item in intake.some_of(listed(change.value, "message_echoes")):
        intake.add(_echo(item, change.number or ""))


def add_contact_syncs(change: Change, intake: Intake) -> None:
    """What happened in the address book."""
    for item in intake.some_of(listed(change.value, "state_sync")):
        intake.add(_contact_sync(item, change.number or ""))


def add_past_messages(change: Change, intake: Intake) -> None:
    """The messages of every thread, later their media, and how the sharing goes."""
    number = change.number or ""
    business = digits(member(change.value.get("metadata"), "display_phone_number"))
    for chunk in intake.some_of(listed(change.value, "history")):
        if not isinstance(chunk, dict):
            intake.add(
                unreadable(number, "a part of the history that is no object", chunk, "history")
            )
            continue
        event = history_event(change, chunk)
        if event is not None:
            intake.add(event)
        for thread in intake.some_of(listed(chunk, "threads")):
            _add_thread(thread, number, business, intake)
    for item in intake.some_of(listed(change.value, "messages")):
        intake.add(_past(item, number, _Thread(business, None, None)))


def _add_thread(thread: object, number: str, business: str | None, intake: Intake) -> None:
    if not isinstance(thread, dict):
        intake.add(unreadable(number, "a thread that is no object", thread, "threads"))
        return
    context = thread.get("context")
    told = _Thread(
        business,
        phone.from_webhook(thread.get("id")) or phone.from_webhook(member(context, "wa_id")),
        phone.user_id(thread.get("id")) or phone.user_id(member(context, "user_id")),
    )
    for item in intake.some_of(listed(thread, "messages")):
        intake.add(_past(item, number, told))


def _echo(item: object, number: str) -> Item:
    part = "message_echoes"
    if not isinstance(item, dict):
        return unreadable(number, "an echo that is no object", item, part)
    wamid = text(item.get("id"))
    recipient, user_id = phone.from_webhook(item.get("to")), _their_user_id(item)
    if wamid is None:
        return unreadable(number, "an echo without an id", item, part)
    if recipient is None and user_id is None:
        return unreadable(number, "an echo without a recipient", item, part)
    word = text(item.get("type"))
    return EchoMessage(
        phone_number_id=number,
        wamid=wamid,
        recipient=recipient,
        user_id=user_id,
        type=_type(word),
        body=readable_text(word or UNSUPPORTED, item),
        sent_at=moment(item.get("timestamp")),
        content=item,
        about=about(word, item),
    )


def _past(item: object, number: str, thread: _Thread) -> Item:
    part = "history"
    if not isinstance(item, dict):
        return unreadable(number, "a past message that is no object", item, part)
    wamid = text(item.get("id"))
    if wamid is None:
        return unreadable(number, "a past message without an id", item, part)
    context = item.get("history_context")
    outgoing = _is_outgoing(item, thread)
    theirs = phone.from_webhook(item.get("to" if outgoing else "from"))
    user_id = _their_user_id(item) if outgoing else phone.user_id(item.get("from_user_id"))
    customer, user_id = theirs or thread.phone, user_id or thread.user_id
    if customer is None and user_id is None:
        return unreadable(number, "a past message of nobody", item, part)
    word, status = text(item.get("type")), text(member(context, "status"))
    return PastMessage(
        phone_number_id=number,
        wamid=wamid,
        outgoing=outgoing,
        customer=customer,
        user_id=user_id,
        type=_type(word),
        body=readable_text(word or UNSUPPORTED, item),
        sent_at=moment(item.get("timestamp")),
        status=status.lower() if status else None,
        content=item,
        about=about(word, item),
    )


def _is_outgoing(item: JsonObject, thread: _Thread) -> bool:
    """Whether the business wrote it: Meta says so, or it stands in `from`."""
    told = member(item.get("history_context"), "from_me")
    if isinstance(told, bool):
        return told
    writer = digits(item.get("from"))
    return writer is not None and writer == thread.business


def _contact_sync(item: object, number: str) -> Item:
    part = "state_sync"
    contact = member(item, "contact")
    if not isinstance(item, dict) or not isinstance(contact, dict):
        return unreadable(number, "a sync of something else than a contact", item, part)
    number_of, user_id = phone.from_webhook(contact.get("phone_number")), _their_user_id(contact)
    action = item.get("action")
    if number_of is None and user_id is None:
        return unreadable(number, "a contact without a number", item, part)
    if action not in ("add", "edit", "remove"):
        return unreadable(number, "a contact with which nothing known was done", item, part)
    return ContactSync(
        phone_number_id=number,
        phone=number_of,
        name=name(contact.get("full_name")) or name(contact.get("first_name")),
        removed=action == "remove",
        at=moment(member(item.get("metadata"), "timestamp")),
        user_id=user_id,
    )


def _their_user_id(item: JsonObject) -> str | None:
    return phone.user_id(item.get("to_user_id")) or phone.user_id(
        item.get("recipient_user_id") or item.get("user_id")
    )


def _type(word: str | None) -> str:
    return word if word is not None and word in TYPES_FROM_THE_PHONE else UNSUPPORTED
