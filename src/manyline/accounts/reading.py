"""What an account event means for the tenant. Pure.

Most events only stand in the log. Those that tell how the number or the account is now become facts
of the tenant, each with the time it was told, so that the newest holds in whatever order they come.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from manyline.accounts.models import NewAccountEvent

JsonObject = Mapping[str, Any]

GONE = {
    "ACCOUNT_DELETED": "The WhatsApp Business account was deleted.",
    "PARTNER_REMOVED": "The business took the access to its WhatsApp Business account away.",
    "PARTNER_APP_UNINSTALLED": "The business removed this app from its account.",
    "ACCOUNT_OFFBOARDED": "The business left the Cloud API with this number.",
}
BACK = frozenset({"PARTNER_ADDED", "PARTNER_APP_INSTALLED", "ACCOUNT_RECONNECTED"})
# Of a restriction: what keeps messages from being sent. Others concern new numbers and the like.
NO_MESSAGES = "MESSAGING"
SCHEDULED = "SCHEDULE_FOR_DISABLE"
REINSTATED = "REINSTATE"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is so since `at`: `name` as it is stored and shown, and its value."""

    name: str
    value: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the account may send; `reason` says why not."""

    at: datetime
    reason: str | None

    @property
    def good(self) -> bool:
        """Whether it may."""
        return self.reason is None


def facts(event: NewAccountEvent) -> list[Fact]:
    """What it says of the number or the account, in Meta's words."""
    content = event.content
    return [
        Fact(name, value[:200], event.at)
        for name, value in _facts(event.field, content)
        if isinstance(value, str) and value
    ]


def _facts(field: str, content: JsonObject) -> Iterator[tuple[str, object]]:
    match field:
        case "phone_number_quality_update":
            yield "qualityEvent", content.get("event")
            yield "messagingLimit", _limit(content)
        case "business_capability_update":
            yield "messagingLimit", _limit(content)
        case "phone_number_name_update":
            if content.get("decision") == "APPROVED":
                yield "verifiedName", content.get("requested_verified_name")
        case "account_review_update":
            yield "review", content.get("decision")
        case "account_update":
            yield "accountEvent", content.get("event")
        case _:
            return


def _limit(content: JsonObject) -> object:
    """`TIER_1K` and the like; newer events give it by itself, older ones as a number."""
    for name in (
        "max_daily_conversations_per_business",
        "current_limit",
        "max_daily_conversation_per_phone",
    ):
        told = content.get(name)
        if isinstance(told, int) and not isinstance(told, bool):
            return "TIER_UNLIMITED" if told < 0 else f"{told} a day"
        if told is not None:
            return told
    return None


def standing(event: NewAccountEvent) -> Standing | None:
    """Whether the account may send from now on; None where the event does not say."""
    if event.field == "account_review_update":
        return _reviewed(event)
    return _updated(event) if event.field == "account_update" else None


def _updated(event: NewAccountEvent) -> Standing | None:
    word = event.event or ""
    if word in GONE:
        return Standing(event.at, f"{GONE[word]} (account_update {word})")
    if word in BACK:
        return Standing(event.at, None)
    if word == "DISABLED_UPDATE":
        return _disabled(event)
    if word == "ACCOUNT_RESTRICTION":
        return _restricted(event)
    return None


def _reviewed(event: NewAccountEvent) -> Standing | None:
    if event.event == "APPROVED":
        return Standing(event.at, None)
    if event.event == "REJECTED":
        return Standing(
            event.at,
            "Meta rejected the WhatsApp Business account in its review; appeal in Meta Business"
            " Support. (account_review_update REJECTED)",
        )
    return None


def _disabled(event: NewAccountEvent) -> Standing | None:
    ban = event.content.get("ban_info")
    state = ban.get("waba_ban_state") if isinstance(ban, Mapping) else None
    if state == SCHEDULED:
        return None  # A warning; it stands in the log.
    if state == REINSTATED:
        return Standing(event.at, None)
    return Standing(
        event.at,
        "Meta disabled the WhatsApp Business account; appeal in Meta Business Support."
        " (account_update DISABLED_UPDATE)",
    )


def _restricted(event: NewAccountEvent) -> Standing | None:
    told = event.content.get("restriction_info")
    kinds = [
        str(one["restriction_type"])
        for one in (told if isinstance(told, list) else [])
        if isinstance(one, Mapping) and "restriction_type" in one
    ]
    if kinds and not any(NO_MESSAGES in kind for kind in kinds):
        return None
    named = f": {', '.join(kinds)}"[:200] if kinds else ""
    return Standing(
        event.at,
        f"Meta restricted the WhatsApp Business account{named}. See the account's quality page in"
        " WhatsApp Manager; set the tenant active when the restriction is over."
        " (account_update ACCOUNT_RESTRICTION)",
    )
