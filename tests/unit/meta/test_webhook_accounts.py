"""News of accounts, numbers and templates: each documented field, and what is not known."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from manyline.meta.webhook import AccountEvent, parse

Case = Callable[[str], bytes]

NUMBER = "111111111111111"
WABA = "102290129340398"
SHOWN = "15550783881"
TOLD_AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

# name of the case: field, kind, event, the number's id, the number as it is shown
EVENTS: dict[str, tuple[str, str, str | None, str | None, str | None]] = {
    "template_status": ("message_template_status_update", "template", "APPROVED", None, None),
    "template_rejected": ("message_template_status_update", "template", "REJECTED", None, None),
    "template_quality": ("message_template_quality_update", "template", "YELLOW", None, None),
    "template_components": ("message_template_components_update", "template", None, None, None),
    "template_category": ("template_category_update", "template", None, None, None),
    "number_quality": (
        *("phone_number_quality_update", "number", "THROUGHPUT_UPGRADE", None, SHOWN),
    ),
    "number_name": ("phone_number_name_update", "number", "APPROVED", None, SHOWN),
    "business_username": ("business_username_update", "number", "approved", None, SHOWN),
    "account_update": ("account_update", "account", "PARTNER_ADDED", None, None),
    "account_partner_added": ("account_update", "account", "PARTNER_ADDED", None, None),
    "account_disabled": ("account_update", "account", "DISABLED_UPDATE", None, None),
    "account_restricted": ("account_update", "account", "ACCOUNT_RESTRICTION", None, None),
    "account_violation": ("account_update", "account", "ACCOUNT_VIOLATION", None, None),
    "account_deleted": ("account_update", "account", "ACCOUNT_DELETED", None, None),
    "field_beside_change": ("account_update", "account", "PARTNER_APP_INSTALLED", None, None),
    "account_review": ("account_review_update", "account", "APPROVED", None, None),
    "account_alert_business": (
        *("account_alerts", "account", "INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED", None, None),
    ),
    "account_alert_number": ("account_alerts", "account", "PROFILE_PICTURE_LOST", NUMBER, None),
    "business_capability": ("business_capability_update", "business", None, None, None),
    "payment_configuration": ("payment_configuration_update", "account", "Active", None, None),
    "partner_solutions": ("partner_solutions", "business", "SOLUTION_CREATED", None, None),
    "security": ("security", "security", "PIN_RESET_REQUEST", None, SHOWN),
    "call_connect": ("calls", "calls", "connect", NUMBER, SHOWN),
    "call_terminate": ("calls", "calls", "terminate", NUMBER, SHOWN),
    "call_status": ("calls", "calls", "call", NUMBER, SHOWN),
    "group_lifecycle": ("group_lifecycle_update", "groups", "group_create", NUMBER, SHOWN),
    "group_participants": (
        *("group_participants_update", "groups", "group_participants_add", NUMBER, SHOWN),
    ),
    "group_settings": ("group_settings_update", "groups", "group_settings_update", NUMBER, SHOWN),
    "group_status": ("group_status_update", "groups", "group_suspend", NUMBER, SHOWN),
    "value_errors": ("messages", "errors", "Rate limit hit", NUMBER, SHOWN),
    "unknown_field": ("holograms_update", "unsupported", "PROJECTED", None, None),
    "messages_of_unknown_kind": ("messages", "unsupported", None, NUMBER, SHOWN),
}
CASES = frozenset(EVENTS)
OTHER_WABAS = {
    "account_update": "980198427658004",  # entry.id is the business portfolio
    "field_beside_change": "1191624265890717",
    "partner_solutions": "506914307656634",
}


def read(webhook_case: Case, name: str) -> AccountEvent:
    [event] = parse(webhook_case(name))
    assert isinstance(event, AccountEvent)
    return event


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_read(webhook_case: Case, name: str) -> None:
    event = read(webhook_case, name)
    assert (
        event.field,
        event.kind,
        event.event,
        event.phone_number_id,
        event.display_phone_number,
    ) == EVENTS[name]
    assert event.waba_id == OTHER_WABAS.get(name, WABA)
    assert event.at == TOLD_AT


@pytest.mark.parametrize("name", sorted(CASES - {"value_errors"}))
def test_an_event_keeps_what_came(webhook_case: Case, name: str) -> None:
    [change] = json.loads(webhook_case(name))["entry"][0]["changes"]
    assert read(webhook_case, name).content == change["value"]


def test_trouble_beside_messages_is_told_and_costs_none_of_them(webhook_case: Case) -> None:
    webhook = json.loads(webhook_case("text"))
    value = webhook["entry"][0]["changes"][0]["value"]
    value["errors"] = [{"code": 130429, "title": "Rate limit hit"}]
    message, event = parse(json.dumps(webhook).encode())
    assert message == parse(webhook_case("text"))[0]
    assert isinstance(event, AccountEvent)
    assert (event.kind, event.content) == ("errors", {"errors": value["errors"]})


def test_a_change_that_tells_nothing_gives_nothing(webhook_case: Case) -> None:
    webhook = json.loads(webhook_case("text"))
    del webhook["entry"][0]["changes"][0]["value"]["messages"]
    assert parse(json.dumps(webhook).encode()) == []
