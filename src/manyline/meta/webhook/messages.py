"""What customers write: `messages` of the field of the same name."""

from typing import Any

from manyline.meta import phone
from manyline.meta.readable import readable_text
from manyline.meta.webhook.intake import Intake
from manyline.meta.webhook.items import (
    UNSUPPORTED,
    About,
    AboutKind,
    IdentityChange,
    InboundMessage,
    Item,
    JsonObject,
)
from manyline.meta.webhook.people import NOBODY, People, people
from manyline.meta.webhook.values import as_list, moment, text, unreadable

TYPES = frozenset(
    {"text", "image", "video", "document", "audio", "sticker", "location", "contacts"}
    | {"interactive", "button", "order", "reaction", "system", "edit", "revoke"}
)
# Which member names the message that is meant.
ABOUT: dict[str, tuple[AboutKind, str]] = {
    "reaction": ("reaction", "message_id"),
    "edit": ("edit", "original_message_id"),
    "revoke": ("revoke", "original_message_id"),
}
NUMBER_CHANGES = frozenset({"user_changed_number", "customer_changed_number"})
IDENTITY_CHANGES = NUMBER_CHANGES | {"user_changed_user_id"}


def add_messages(messages: object, contacts: object, number: str, intake: Intake) -> None:
    """The messages of one change, with those whom it introduces."""
    introduced = people(contacts)
    for item in intake.some_of(as_list(messages)):
        intake.add(_message(item, number, introduced))


def _message(item: object, number: str, introduced: People) -> Item:
    if not isinstance(item, dict):
        return unreadable(number, "a message that is no object", item, "messages")
    wamid = text(item.get("id"))
    if wamid is None:
        return unreadable(number, "a message without an id", item, "messages")
    word = text(item.get("type"))
    sender = phone.from_webhook(item.get("from"))
    user_id = phone.user_id(item["from_user_id"]) if "from_user_id" in item else None
    changed = None
    if word == "system":
        sender, user_id, changed = _moved(item, sender, user_id)
    contact = introduced.get(sender[1:]) if sender is not None else None
    if contact is None:
        contact = introduced.get(user_id, NOBODY) if user_id is not None else NOBODY
    if contact.phone is not None and sender is None:
        sender = phone.from_webhook(contact.phone)
    if sender is None and user_id is None:
        return unreadable(number, "a message without a sender", item, "messages")
    return InboundMessage(
        number,
        wamid,
        sender,
        user_id or contact.user_id,
        contact.name,
        word if word in TYPES else UNSUPPORTED,
        readable_text(word or UNSUPPORTED, item),
        moment(item.get("timestamp")),
        item,
        contact.parent_user_id or (user_id and phone.user_id(item.get("from_parent_user_id"))),
        contact.username,
        text(item["group_id"]) if "group_id" in item else None,
        about(word, item) if word in ABOUT else None,
        changed,
        "context" in item and _is_forwarded(item["context"]),
    )


def about(word: str | None, item: JsonObject) -> About | None:
    """The message that a reaction, an edit or a revoke speaks of; None when it names none."""
    kind, key = ABOUT.get(word or "", (None, ""))
    part = item.get(word) if word is not None else None
    wamid = text(part.get(key)) if isinstance(part, dict) else None
    return About(kind, wamid) if kind is not None and wamid is not None else None


def _is_forwarded(context: object) -> bool:
    return isinstance(context, dict) and (
        context.get("forwarded") is True or context.get("frequently_forwarded") is True
    )


def _moved(
    item: JsonObject, sender: str | None, user_id: str | None
) -> tuple[str | None, str | None, IdentityChange | None]:
    """Who a system message is about, and what they are called from now on.

    `from` and `from_user_id` may be missing, and may hold the old name as well as the new one.
    """
    system: Any = item.get("system")
    if not isinstance(system, dict):
        return sender, user_id, None
    new_phone = phone.from_webhook(system.get("wa_id") or system.get("new_wa_id"))
    new_user_id = phone.user_id(system.get("user_id"))
    told_phone = phone.from_webhook(system.get("previous_wa_id") or system.get("customer"))
    told_user_id = phone.user_id(system.get("previous_user_id"))
    old_phone = told_phone or (sender if sender != new_phone else None)
    old_user_id = told_user_id or (user_id if user_id != new_user_id else None)
    changed = None
    if text(system.get("type")) in IDENTITY_CHANGES and (new_phone or new_user_id):
        changed = IdentityChange(old_phone, new_phone, old_user_id, new_user_id)
    return (
        sender or old_phone or new_phone,
        user_id or old_user_id or new_user_id,
        changed,
    )
