"""What customers want no more of, or again: the field `user_preferences`."""

from manyline.meta import phone
from manyline.meta.webhook.change import Change
from manyline.meta.webhook.intake import Intake
from manyline.meta.webhook.items import Item, PreferenceChange
from manyline.meta.webhook.people import NOBODY, People, people
from manyline.meta.webhook.values import listed, moment, text, unreadable

FIELD = "user_preferences"
STOPPED = {"stop": True, "resume": False}


def add_preferences(change: Change, intake: Intake) -> None:
    """The preferences in a change whose number is known."""
    introduced = people(change.value.get("contacts"))
    for item in intake.some_of(listed(change.value, FIELD)):
        intake.add(_preference(item, change.number or "", introduced))


def _preference(item: object, number: str, introduced: People) -> Item:
    if not isinstance(item, dict):
        return unreadable(number, "a preference that is no object", item, FIELD)
    sender, user_id = phone.from_webhook(item.get("wa_id")), phone.user_id(item.get("user_id"))
    contact = introduced.get((sender or "")[1:]) or introduced.get(user_id or "") or NOBODY
    sender = sender or phone.from_webhook(contact.phone)
    category, value = text(item.get("category")), text(item.get("value"))
    if sender is None and user_id is None:
        return unreadable(number, "a preference of nobody", item, FIELD)
    if category is None or value not in STOPPED:
        return unreadable(number, "a preference of an unknown kind", item, FIELD)
    return PreferenceChange(
        phone_number_id=number,
        sender=sender,
        user_id=user_id or contact.user_id,
        category=category,
        stopped=STOPPED[value],
        at=moment(item.get("timestamp")),
    )
