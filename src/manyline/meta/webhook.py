"""Meta's webhook envelope, taken apart: total, tolerant, without I/O.

Every entry, change, message and status is looked at by itself, so one that makes no sense is
told apart (`Unreadable`) and its neighbours go on. Nothing here raises but `parse`, and that
only for a body that is no JSON object at all.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from manyline.base.errors import ManylineError
from manyline.meta import phone
from manyline.meta.readable import readable_text

JsonObject = dict[str, Any]

MAX_ID_LENGTH = 512  # wamids are around 60 characters; an index key must stay small.
MAX_DIGITS = 1000
STATUSES = frozenset({"sent", "delivered", "read", "played", "failed"})


class MalformedWebhookError(ManylineError):
    """The body is not a webhook at all; the message says what is wrong with it."""

    code = "malformed_webhook"


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message of a customer. `content` is the Cloud API's message object as it came."""

    phone_number_id: str
    wamid: str
    sender: str | None
    """E.164 with `+`; may be missing for a customer who is known by `user_id` only."""
    user_id: str | None
    sender_name: str | None
    type: str
    body: str
    """The text a person would read: the words, a caption, a title, or ''."""
    sent_at: datetime | None
    """Meta's timestamp; None when the item carries none (then it counts as now)."""
    content: JsonObject


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """What became of a message that we sent."""

    phone_number_id: str
    wamid: str
    status: str
    at: datetime | None
    opaque: str | None
    """`biz_opaque_callback_data`: our message id, when it was our send."""
    error: JsonObject | None
    """Of a `failed` status: `code`, `title`, `details`, each where given."""
    pricing: JsonObject | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item that could not be understood, and why; `item` is what came."""

    phone_number_id: str | None
    reason: str
    item: object


Item = InboundMessage | StatusUpdate | Unreadable


def parse(body: bytes) -> list[Item]:
    """Every item of a webhook in its order; raises `MalformedWebhookError`.

    msgspec refuses a whole body for one lone surrogate, `NaN` or `1e999`; the standard library
    reads those, so that the item alone is judged.
    """
    try:
        envelope = msgspec.json.decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        envelope = _parse_leniently(body)
    if not isinstance(envelope, dict) or not isinstance(envelope.get("entry"), list):
        raise MalformedWebhookError('a webhook is a JSON object with a list named "entry"')
    return [item for entry in envelope["entry"] for item in _entry_items(entry)]


def _parse_leniently(body: bytes) -> object:
    try:
        return json.loads(body, parse_int=_integer)
    except UnicodeDecodeError:
        raise MalformedWebhookError("the body is not UTF-8") from None
    except RecursionError:
        raise MalformedWebhookError("the body is nested too deeply to be a webhook") from None
    except ValueError:
        raise MalformedWebhookError("the body is not JSON") from None


def _integer(digits: str) -> int | str:
    """Python refuses to read an integer of more than 4,300 digits; its digits will do."""
    return int(digits) if len(digits) <= MAX_DIGITS else digits


def _entry_items(entry: object) -> Iterator[Item]:
    changes = entry.get("changes") if isinstance(entry, dict) else None
    if not isinstance(changes, list):
        yield Unreadable(None, "an entry without a list of changes", entry)
        return
    for change in changes:
        yield from _change_items(change)


def _change_items(change: object) -> Iterator[Item]:
    """The messages and statuses of one change, routed by its own number."""
    value = change.get("value") if isinstance(change, dict) else None
    if not isinstance(change, dict) or not isinstance(value, dict):
        yield Unreadable(None, "a change without a value", change)
        return
    if change.get("field", "messages") != "messages":
        return
    metadata = value.get("metadata")
    number = _text(metadata.get("phone_number_id")) if isinstance(metadata, dict) else None
    if number is None:
        yield Unreadable(None, "a change without metadata.phone_number_id", change)
        return
    names = _profile_names(value.get("contacts"))
    for item in _listed(value, "messages"):
        yield _message(item, number, names)
    for item in _listed(value, "statuses"):
        yield _status(item, number)


def _listed(value: JsonObject, key: str) -> list[object]:
    items = value.get(key)
    if items is None:
        return []
    return items if isinstance(items, list) else [items]


def _message(item: object, number: str, names: dict[str, str]) -> Item:
    if not isinstance(item, dict):
        return Unreadable(number, "a message that is no object", item)
    wamid = _text(item.get("id"))
    if wamid is None:
        return Unreadable(number, "a message without an id", item)
    sender = phone.from_webhook(item.get("from"))
    user_id = phone.user_id(item.get("from_user_id"))
    if sender is None and user_id is None:
        return Unreadable(number, "a message without a sender", item)
    kind = _text(item.get("type")) or "unknown"
    return InboundMessage(
        phone_number_id=number,
        wamid=wamid,
        sender=sender,
        user_id=user_id,
        sender_name=names.get(sender or "") or names.get(user_id or ""),
        type=kind,
        body=readable_text(kind, item),
        sent_at=_moment(item.get("timestamp")),
        content=item,
    )


def _status(item: object, number: str) -> Item:
    if not isinstance(item, dict):
        return Unreadable(number, "a status that is no object", item)
    wamid, status = _text(item.get("id")), item.get("status")
    if wamid is None:
        return Unreadable(number, "a status without an id", item)
    if not isinstance(status, str) or status not in STATUSES:
        return Unreadable(number, "a status of an unknown kind", item)
    return StatusUpdate(
        phone_number_id=number,
        wamid=wamid,
        status=status,
        at=_moment(item.get("timestamp")),
        opaque=_text(item.get("biz_opaque_callback_data")),
        error=_error(item.get("errors")),
        pricing=_plain_members(item.get("pricing")),
    )


def _error(errors: object) -> JsonObject | None:
    """The first of a status' errors, in the words we keep of any Graph error."""
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict):
        return None
    data = first.get("error_data")
    told = {
        "code": first.get("code"),
        "title": first.get("title") or first.get("message"),
        "details": data.get("details") if isinstance(data, dict) else None,
    }
    return _plain_members(told)


def _plain_members(value: object) -> JsonObject | None:
    """The members of an object that any store takes: short texts, flags, modest integers."""
    if not isinstance(value, dict):
        return None
    return {
        key: member
        for key, member in value.items()
        if isinstance(key, str)
        and key.isidentifier()
        and (
            (isinstance(member, str) and len(member) <= 2000 and _is_writable(member))
            or (isinstance(member, int) and abs(member) < 2**53)
        )
    }


def _profile_names(contacts: object) -> dict[str, str]:
    """Names by number and by user id; a name that cannot be written down is left out."""
    names: dict[str, str] = {}
    for contact in contacts if isinstance(contacts, list) else []:
        if not isinstance(contact, dict) or not isinstance(contact.get("profile"), dict):
            continue
        name = contact["profile"].get("name")
        if not isinstance(name, str) or not name or not _is_writable(name):
            continue
        for key in (
            phone.from_webhook(contact.get("wa_id")),
            phone.user_id(contact.get("user_id")),
        ):
            if key is not None:
                names[key] = name[:256]
    return names


def _text(value: object) -> str | None:
    """A short, storable, non-empty string, or None."""
    if isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH and _is_writable(value):
        return value
    return None


def _is_writable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _moment(value: object) -> datetime | None:
    """Unix seconds as a string (Meta's way) or a number; None for what is no plausible time."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except (ValueError, OverflowError, OSError):
        return None
