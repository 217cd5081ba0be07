"""Meta's webhook envelope, taken apart: total, tolerant, without I/O.

Every entry, change, message and status is looked at by itself, so one that makes no sense is
told apart (`Unreadable`) and its neighbours go on. Nothing here raises but `parse`, and that
only for a body that is no JSON object with a list of entries.
"""

import gc
from collections.abc import Callable

from manyline.meta.webhook.accounts import add_account_event
from manyline.meta.webhook.change import Change
from manyline.meta.webhook.coexistence import (
    add_contact_syncs,
    add_echoes,
    add_past_messages,
)
from manyline.meta.webhook.intake import Intake
from manyline.meta.webhook.items import Item, JsonObject, MalformedWebhookError
from manyline.meta.webhook.messages import add_messages
from manyline.meta.webhook.preferences import add_preferences
from manyline.meta.webhook.reading import read
from manyline.meta.webhook.statuses import add_statuses
from manyline.meta.webhook.values import graph_id, unreadable

MESSAGES = "messages"
LARGE = 100_000  # bytes; a webhook of a hundred messages is smaller

# Fields whose items belong to a number; all others are account events.
BY_NUMBER: dict[str, Callable[[Change, Intake], None]] = {
    "smb_message_echoes": add_echoes,
    "smb_app_state_sync": add_contact_syncs,
    "history": add_past_messages,
    "user_preferences": add_preferences,
}


def parse(body: bytes) -> list[Item]:
    """Every item of a webhook in its order; raises `MalformedWebhookError`."""
    if len(body) <= LARGE or not gc.isenabled():
        return _parse(body)
    # The collector would walk over the same young objects again and again: half of the time, in
    # which the event loop stands still.
    gc.disable()
    try:
        return _parse(body)
    finally:
        gc.enable()


def _parse(body: bytes) -> list[Item]:
    envelope, rest = read(body)
    entries = envelope.get("entry") if isinstance(envelope, dict) else None
    if not isinstance(entries, list):
        raise MalformedWebhookError('a webhook is a JSON object with a list named "entry"')
    intake = Intake()
    for entry in intake.some_of(entries):
        _add_entry(entry, intake)
    if rest is not None:
        intake.add(unreadable(None, "", rest, "entry"))
    return intake.close()


def _add_entry(entry: object, intake: Intake) -> None:
    changes = entry.get("changes") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(changes, list):
        intake.add(unreadable(None, "an entry without a list of changes", entry, "entry"))
        return
    for change in intake.some_of(changes):
        _add_change(change, entry, intake)


def _add_change(change: object, entry: JsonObject, intake: Intake) -> None:
    """The items of one change, routed by its own number."""
    value = change.get("value") if isinstance(change, dict) else None
    if not isinstance(change, dict) or not isinstance(value, dict):
        intake.add(unreadable(None, "a change without a value", change, "change"))
        return
    # The seeds' example has no field; some of Meta's have it beside the change or inside it.
    field = change.get("field") or entry.get("field") or value.get("field") or MESSAGES
    metadata = value.get("metadata")
    number = graph_id(metadata.get("phone_number_id")) if isinstance(metadata, dict) else None
    if not isinstance(field, str):
        intake.add(unreadable(number, "a change whose field is no text", change, "change"))
    elif number is None and (field == MESSAGES or field in BY_NUMBER):
        reason = "a change without metadata.phone_number_id"
        intake.add(unreadable(None, reason, change, "change"))
    elif number is not None and field == MESSAGES:
        _add_messages(value, number, entry, intake)
    else:
        BY_NUMBER.get(field, add_account_event)(Change(field, value, number, entry), intake)


def _add_messages(value: JsonObject, number: str, entry: JsonObject, intake: Intake) -> None:
    """By far the most of all that comes: messages, statuses, and rarely something else."""
    messages, statuses = value.get("messages"), value.get("statuses")
    if messages is not None:
        add_messages(messages, value.get("contacts"), number, intake)
    if statuses is not None:
        add_statuses(statuses, number, intake)
    if value.get("errors") or (messages is None and statuses is None):
        add_account_event(Change(MESSAGES, value, number, entry), intake)
