"""What became of what we sent: `statuses` of the field `messages`."""

from manyline.meta import phone
from manyline.meta.webhook.intake import Intake
from manyline.meta.webhook.items import Item, JsonObject, StatusUpdate
from manyline.meta.webhook.values import (
    as_list,
    first,
    member,
    moment,
    plain_members,
    text,
    unreadable,
)

STATUSES = frozenset({"sent", "delivered", "read", "played", "failed"})
MAX_CODE_DIGITS = 9


def add_statuses(statuses: object, number: str, intake: Intake) -> None:
    """The statuses of one change."""
    for item in intake.some_of(as_list(statuses)):
        intake.add(_status(item, number))


def _status(item: object, number: str) -> Item:
    if not isinstance(item, dict):
        return unreadable(number, "a status that is no object", item, "statuses")
    wamid, status = text(item.get("id")), item.get("status")
    if wamid is None:
        return unreadable(number, "a status without an id", item, "statuses")
    if not isinstance(status, str) or status not in STATUSES:
        return unreadable(number, "a status of an unknown kind", item, "statuses")
    of_group = item.get("recipient_type") == "group"
    return StatusUpdate(
        number,
        wamid,
        status,
        moment(item.get("timestamp")),
        text(item.get("biz_opaque_callback_data")),
        _error(item["errors"]) if "errors" in item else None,
        plain_members(item["pricing"]) if "pricing" in item else None,
        None if of_group else phone.from_webhook(item.get("recipient_id")),
        phone.user_id(item["recipient_user_id"]) if "recipient_user_id" in item else None,
    )


def _error(errors: object) -> JsonObject | None:
    """The first of a status' errors, in the words we keep of any Graph error."""
    told = first(errors)
    if not isinstance(told, dict):
        return None
    return plain_members(
        {
            "code": _code(told.get("code")),
            "title": told.get("title") or told.get("message"),
            "details": member(told.get("error_data"), "details"),
        }
    )


def _code(value: object) -> object:
    """The code as a number, also when it came as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value) if len(value) <= MAX_CODE_DIGITS else None
    return value
