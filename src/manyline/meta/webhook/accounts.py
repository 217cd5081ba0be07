"""News of accounts, numbers and templates, and all that is not known here."""

from datetime import datetime

from manyline.meta.webhook.change import Change
from manyline.meta.webhook.intake import Intake
from manyline.meta.webhook.items import UNSUPPORTED, AccountEvent, AccountKind, JsonObject
from manyline.meta.webhook.values import digits, first, graph_id, listed, member, moment, text

KINDS: dict[str, AccountKind] = {
    "account_alerts": "account",
    "account_review_update": "account",
    "account_settings_update": "account",
    "account_update": "account",
    "automatic_events": "business",
    "business_capability_update": "business",
    "business_status_update": "business",
    "business_username_update": "number",
    "calls": "calls",
    "flows": "business",
    "group_lifecycle_update": "groups",
    "group_participants_update": "groups",
    "group_settings_update": "groups",
    "group_status_update": "groups",
    "history": "history",
    "message_template_components_update": "template",
    "message_template_quality_update": "template",
    "message_template_status_update": "template",
    "messages": "errors",
    "partner_solutions": "business",
    "payment_configuration_update": "account",
    "phone_number_name_update": "number",
    "phone_number_quality_update": "number",
    "security": "security",
    "template_category_update": "template",
    "template_correct_category_detection": "template",
}
# Where the fields have their word for what happened, and the time of it when the entry has none.
EVENT_KEYS = ("event", "decision", "new_quality_score", "status")
LISTS = ("calls", "statuses", "groups", "errors")
NUMBER = "PHONE_NUMBER"
COMPLETE = (100, "100")  # percent of the history


def add_account_event(change: Change, intake: Intake) -> None:
    """One event for the whole change."""
    kind = _kind(change)
    if kind is not None:
        intake.add(_event(change, kind, change.value))


def history_event(change: Change, chunk: JsonObject) -> AccountEvent | None:
    """That the business shares no history, or that all of it is here; None for a part of it."""
    progress = member(chunk.get("metadata"), "progress")
    if not chunk.get("errors") and progress not in COMPLETE:
        return None
    told = {key: part for key, part in chunk.items() if key != "threads"}
    return _event(change, "history", told)


def _kind(change: Change) -> AccountKind | None:
    """None when a change of messages is empty, as Meta's own test sends it."""
    if change.field != "messages" or change.value.get("errors"):
        return KINDS.get(change.field, "unsupported")
    told = change.value.keys() - {"messaging_product", "metadata", "contacts", "errors"}
    return "unsupported" if told - {"messages", "statuses"} else None


def _event(change: Change, kind: AccountKind, content: JsonObject) -> AccountEvent:
    value, entry = change.value, change.entry
    displayed = value.get("display_phone_number")
    if displayed is None:
        displayed = member(value.get("metadata"), "display_phone_number")
    told_at = moment(entry.get("time"))
    if kind == "errors":  # The messages and statuses beside them are items of their own.
        content = {"errors": value["errors"]}
    return AccountEvent(
        field=text(change.field) or UNSUPPORTED,
        kind=kind,
        waba_id=graph_id(member(value.get("waba_info"), "waba_id")) or graph_id(entry.get("id")),
        phone_number_id=change.number or _alerted_number(value),
        display_phone_number=digits(displayed),
        event=_word(content),
        at=told_at if told_at is not None else _own_time(value),
        content=content,
    )


def _alerted_number(value: JsonObject) -> str | None:
    """An alert names the number that it is about by its id."""
    return graph_id(value.get("entity_id")) if value.get("entity_type") == NUMBER else None


def _word(content: JsonObject) -> str | None:
    for key in EVENT_KEYS:
        if (word := text(content.get(key))) is not None:
            return word
    alert = text(member(content.get("alert_info"), "alert_type"))
    if alert is not None:
        return alert
    for key in LISTS:
        told = first(listed(content, key))
        for name in ("event", "type", "status", "title"):
            if (word := text(member(told, name))) is not None:
                return word
    return None


def _own_time(value: JsonObject) -> datetime | None:
    """Calls and groups carry their time themselves."""
    for key in LISTS:
        if (at := moment(member(first(listed(value, key)), "timestamp"))) is not None:
            return at
    return None
