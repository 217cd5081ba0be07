"""Single values of a webhook, each read for itself: what makes no sense is None, never an error."""

from datetime import UTC, datetime
from typing import Any

from manyline.meta.webhook.items import JsonObject, Unreadable
from manyline.meta.webhook.walking import Cut

MAX_ID_LENGTH = 512  # wamids are around 60 characters; an index key must stay small.
MAX_ID_NUMBER = 10**30
MAX_NAME_LENGTH = 256
MAX_TEXT_LENGTH = 2000
MAX_DISPLAYED_DIGITS = 15
LAST_SECOND = 2**32 - 1  # Of a BSON timestamp, in 2106.


def text(value: object) -> str | None:
    """A short, storable, non-empty string, or None."""
    if isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH and is_writable(value):
        return value
    return None


def graph_id(value: object) -> str | None:
    """The id of a number, an account or a template; Meta writes some of them as numbers."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < MAX_ID_NUMBER:
        return str(value)
    return None


def name(value: object) -> str | None:
    """A person's name, cut to what a customer record holds; None when it cannot be stored."""
    if isinstance(value, str) and value and is_writable(value):
        return value[:MAX_NAME_LENGTH]
    return None


def is_writable(value: str) -> bool:
    """Whether the text has a UTF-8 form: a lone surrogate has none."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def moment(value: object) -> datetime | None:
    """Unix seconds as a string (Meta's way) or a number; None for what is no plausible time.

    Days may be added to what it answers and taken from it: it is in the years 1970 to 2106.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        seconds = int(value)
    except (ValueError, OverflowError):
        return None
    return datetime.fromtimestamp(seconds, UTC) if 0 <= seconds <= LAST_SECOND else None


def digits(value: object) -> str | None:
    """A displayed phone number (`+1 555-078-3881`, or a number) as its digits alone."""
    found = "".join(char for char in (graph_id(value) or "")[:40] if "0" <= char <= "9")
    return found if 0 < len(found) <= MAX_DISPLAYED_DIGITS else None


def member(value: object, key: str) -> Any:
    """`value[key]` where value is an object that has the key; else None."""
    return value.get(key) if isinstance(value, dict) else None


def listed(value: JsonObject, key: str) -> list[object]:
    """The members of a list in an object; none when there is no such list."""
    return as_list(value.get(key))


def as_list(items: object) -> list[object]:
    """A list as it is; a member that came without its list stands for a list of one."""
    if isinstance(items, list):
        return items
    return [] if items is None else [items]


def first(value: object) -> Any:
    """The first member of a list; None where there is none."""
    return value[0] if isinstance(value, list) and value else None


def plain_members(value: object) -> JsonObject | None:
    """The members of an object that any store takes: short texts, flags, modest integers."""
    if not isinstance(value, dict):
        return None
    return {
        key: member
        for key, member in value.items()
        if isinstance(key, str)
        and key.isidentifier()
        and (
            (isinstance(member, str) and len(member) <= MAX_TEXT_LENGTH and is_writable(member))
            or (isinstance(member, int) and abs(member) < 2**53)
        )
    }


def unreadable(number: str | None, reason: str, item: object, part: str) -> Unreadable:
    """An item told apart; one that was nested too deeply is given as it came."""
    if isinstance(item, Cut):
        return Unreadable(number, "nested too deeply to be read", None, part, item.raw)
    return Unreadable(number, reason, item, part)
