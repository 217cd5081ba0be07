"""A webhook around one item of the quarantine, to be read again. Pure.

The item's JSON is put in as it is, byte by byte: it may be what no reader takes.
"""

import json
from typing import Any

from manyline.inbound.models import Quarantined

FIELDS = {
    "message_echoes": "smb_message_echoes",
    "state_sync": "smb_app_state_sync",
    "user_preferences": "user_preferences",
    "history": "history",
    "threads": "history",
}
"""The webhook field of a list, where it is not `messages`."""


def wrapped(item: Quarantined) -> bytes:
    """The body of a webhook that holds this item alone."""
    if item.part == "entry":
        return b'{"entry":[%b]}' % item.raw
    if item.part == "change":
        return b'{"entry":[{"changes":[%b]}]}' % item.raw
    beside: dict[str, Any] = json.loads(item.beside) if item.beside is not None else {}
    metadata = {"phone_number_id": item.phone_number_id, **beside.get("metadata", {})}
    value = {"metadata": metadata, "contacts": beside.get("contacts", [])}
    members = _members(value) + _list(item, beside.get("thread", {}))
    field = FIELDS.get(item.part, "messages").encode()
    return b'{"entry":[{"changes":[{"field":"%b","value":{%b}}]}]}' % (field, members)


def _list(item: Quarantined, thread: dict[str, Any]) -> bytes:
    """The list with the item, in the objects in which Meta puts it."""
    if item.part == "history":
        return b'"history":[{"threads":[{%b"messages":[%b]}]}]' % (_members(thread), item.raw)
    if item.part == "threads":
        return b'"history":[{"threads":[%b]}]' % item.raw
    return b'"%b":[%b]' % ((item.part or "messages").encode(), item.raw)


def _members(given: dict[str, Any]) -> bytes:
    """Members of an object, each with the comma behind it."""
    return b"".join(b"%b:%b," % (_json(key), _json(value)) for key, value in given.items())


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
