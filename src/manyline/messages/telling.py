"""The sentences of a message's timeline. Pure."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from manyline.messages.explanations import row_for
from manyline.messages.models import AUTO_REPLY_PREFIX, HISTORY, PHONE, Message
from manyline.messages.states import Direction, MessageStatus
from manyline.meta.catalogue import TENANT_TROUBLE
from manyline.tenants.models import InDoubtPolicy, Tenant, TenantStatus

WHERE_SAID = {
    PHONE: "Written in the WhatsApp Business app on the business' phone.",
    HISTORY: "From before the number came here: part of the history that the business shares.",
}
AUTO_REPLY = AUTO_REPLY_PREFIX.rstrip(":")
Told = Mapping[str, Any]


def accepted(message: Message) -> str:
    """Where it came from."""
    if message.source in WHERE_SAID:
        return WHERE_SAID[message.source]
    if message.direction is Direction.IN:
        return "Received from the customer."
    if message.source == AUTO_REPLY:
        return "Made as the automatic reply to a message of the customer."
    return "Accepted from your API call."


def taken_up(attempt: int | None, *, under_way: bool = False) -> str:
    """A worker claimed it; not every claim leads to a call."""
    number = "" if attempt is None else f": attempt {attempt}"
    now = " The call to WhatsApp is under way." if under_way else ""
    return f"Taken up by a worker{number}.{now}"


def happened(told: Told, *, settled_since: bool) -> str:
    """What an entry of the history says."""
    if told["event"] == "in_doubt" and settled_since:
        return f"{_doubted(told)} That has been settled since."
    tell = HAPPENED.get(told["event"])
    return tell(told) if tell is not None else f"Something happened that is called {told['event']}."


def reached(status: MessageStatus, *, wamid: str | None, error: Told) -> str:
    """That it has got so far, by Graph's answer or a status of Meta's."""
    if status is MessageStatus.SENT and wamid is not None:
        return f"WhatsApp's platform took it, as {wamid}."
    if status is MessageStatus.FAILED and error:
        return f"WhatsApp reported that it failed{_cause(error)}{_fix(error)}"
    return REACHED[status]


def waits(message: Message, tenant: Tenant, *, now: datetime) -> tuple[str, datetime | None] | None:
    """What it waits for and until when, as far as it and its tenant tell; None if it does not."""
    if message.status is MessageStatus.IN_DOUBT:
        return _waits_in_doubt(tenant), None
    if message.status is not MessageStatus.QUEUED:
        return None
    if tenant.status is not TenantStatus.ACTIVE:
        reason = f": {tenant.paused_reason.rstrip('.')}" if tenant.paused_reason else ""
        return (
            f"Waits because the tenant is {tenant.status}{reason}. It goes on when the tenant is"
            " active again.",
            None,
        )
    if message.parked_until is not None:
        return (
            f"Waits until {_time(message.parked_until)}, as WhatsApp asked. Later messages to the"
            " same recipient go ahead of it.",
            message.parked_until,
        )
    return _waits_in_line(message, now)


def _waits_in_line(message: Message, now: datetime) -> tuple[str, datetime | None]:
    if message.behind:
        return "Waits behind an earlier message to the same recipient.", None
    due = message.next_attempt_at
    if due is None or due <= now:
        return (
            "Waits for its turn: a number sends so many messages a second, and those to one"
            " recipient go in order.",
            None,
        )
    if message.error is not None:
        return f"Waits until {_time(due)} and is then tried again.", due
    return (
        f"Waits until {_time(due)}: WhatsApp takes only so many messages in a row to one"
        " recipient.",
        due,
    )


def _waits_in_doubt(tenant: Tenant) -> str:
    if tenant.settings.in_doubt_policy is InDoubtPolicy.RESEND:
        return (
            "Waits for a status from WhatsApp that settles it. If none comes it is sent again, as"
            " the tenant's inDoubtPolicy `resend` asks, up to five calls in all."
        )
    return (
        "Waits for a status from WhatsApp that settles it, or for a person: replay it (it may"
        " arrive twice) or mark it as sent."
    )


def _refused(told: Told) -> str:
    until = told.get("until")
    again = f"It is tried again at {_time(until)}." if until else "It is tried again."
    row = row_for(told)
    if row is None:
        return f"Not sent: {_sentence(_own_words(told))} {again}"
    if row.error_class in TENANT_TROUBLE:
        again = f"The message stays queued until that is repaired. {row.fix}"
    return f"WhatsApp's platform refused the call{_cause(told)} {again}"


def _parked(told: Told) -> str:
    return (
        f"WhatsApp's platform asked for a long wait{_cause(told)} It is tried again at"
        f" {_time(told['until'])}; later messages to the same recipient go ahead of it."
    )


def _failed(told: Told) -> str:
    if row_for(told) is None:
        return f"Not sent: {_sentence(_own_words(told))} The message has failed."
    return (
        f"WhatsApp's platform refused the call{_cause(told)} It is not tried again by itself:"
        f" the message has failed.{_fix(told)}"
    )


def _doubted(told: Told) -> str:
    return f"Nobody knows whether WhatsApp took it: {_sentence(_own_words(told))}"


def _replayed(told: Told) -> str:
    through = " through the API" if told.get("by") == "api" else ""
    return f"Replayed{through}: queued again, as a new attempt of the same message."


def _resent(_told: Told) -> str:
    return (
        "Queued again because nothing settled the doubt and the tenant's inDoubtPolicy is"
        " `resend`: it may arrive twice."
    )


def _marked_sent(_told: Told) -> str:
    return "Marked as sent by a person: somebody knows that it arrived."


def _own_words(told: Told) -> str:
    title, details = str(told.get("title", "no reason is known")), told.get("details")
    return f"{title}; {details}" if details else title


def _cause(error: Told) -> str:
    """Code, Meta's title and what it means; Meta often repeats the code in the title."""
    row = row_for(error)
    if row is None:
        return f": {_sentence(_own_words(error))}"
    title = re.sub(r"^\(#\d+\)\s*", "", str(error.get("title", ""))).strip()
    return f" ({error['code']}{': ' if title else ''}{title}): {row.meaning}"


def _fix(error: Told) -> str:
    row = row_for(error)
    return f" {row.fix}" if row is not None else ""


def _sentence(words: str) -> str:
    return words if words.endswith(".") else f"{words}."


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


HAPPENED: Mapping[str, Callable[[Told], str]] = {
    "refused": _refused,
    "parked": _parked,
    "failed": _failed,
    "in_doubt": _doubted,
    "replayed": _replayed,
    "resent": _resent,
    "marked_sent": _marked_sent,
}
REACHED = {
    MessageStatus.IN_DOUBT: "Nobody knows whether WhatsApp took it.",
    MessageStatus.SENT: "WhatsApp's platform took it.",
    MessageStatus.DELIVERED: "Delivered to the recipient's phone.",
    MessageStatus.READ: "Read by the recipient.",
    MessageStatus.FAILED: "WhatsApp reported that it failed.",
}
