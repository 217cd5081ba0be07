"""The `contacts` that come with messages: names, user ids and numbers of those who wrote."""

from typing import NamedTuple

from manyline.meta import phone
from manyline.meta.webhook.items import JsonObject
from manyline.meta.webhook.values import name, text


class Contact(NamedTuple):
    """A customer as a webhook introduces them."""

    phone: object
    """`wa_id` as it came."""
    user_id: str | None
    parent_user_id: str | None
    name: str | None
    username: str | None


People = dict[str, Contact]
"""By number (digits without `+`) and by user id."""

NOBODY = Contact(None, None, None, None, None)


def people(contacts: object) -> People:
    """Everybody whom the list introduces; what is no contact is passed over."""
    found: People = {}
    for given in contacts if isinstance(contacts, list) else ():
        if not isinstance(given, dict):
            continue
        contact = _contact(given)
        if isinstance(contact.phone, str):
            found[contact.phone.removeprefix("+")] = contact
        if contact.user_id is not None:
            found[contact.user_id] = contact
    return found


def _contact(given: JsonObject) -> Contact:
    profile = given.get("profile")
    if not isinstance(profile, dict):
        profile = {}
    called = name(profile.get("name"))
    if "user_id" not in given:
        return Contact(given.get("wa_id"), None, None, called, None)
    username = profile.get("username") or given.get("username")
    return Contact(
        given.get("wa_id"),
        phone.user_id(given["user_id"]),
        phone.user_id(given.get("parent_user_id")),
        called,
        text(username),
    )
