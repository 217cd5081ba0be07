"""What a request may hold, and that an answer never holds a secret."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from manyline.entry.api.given import (
    RegisterGiven,
    SendGiven,
    SettingsGiven,
    TenantPatch,
    TroublesGiven,
)
from manyline.entry.api.shown import show_tenant
from manyline.messages.states import MessageStatus
from manyline.messages.troubles import Troubles
from manyline.tenants.models import InDoubtPolicy, Tenant, TenantSettings, TenantStatus
from manyline.vault.envelope import SealedSecret

REGISTER = {"name": "Tenant A", "phoneNumberId": "111111111111111", "accessToken": "mock_token"}
SEND = {"to": "+919012345678", "text": "Hello there", "idempotency_key": "order-1234"}


def test_the_seeds_bodies_pass() -> None:
    assert RegisterGiven.model_validate(REGISTER).phone_number_id == "111111111111111"
    assert SendGiven.model_validate(SEND).idempotency_key == "order-1234"
    assert SendGiven.model_validate({**SEND, "text": "x" * 4096}).text == "x" * 4096


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 201},
        {"name": 5},
        {"name": "\ud800"},
        {"phoneNumberId": 111111111111111},
        {"phoneNumberId": "11-11"},
        {"phoneNumberId": "1" * 33},
        {"phoneNumberId": "111111111111111\n"},
        {"phoneNumberId": "١١١١١١١١"},
        {"accessToken": ""},
        {"accessToken": "with space"},
        {"accessToken": "line\r\nHost: evil"},
        {"accessToken": "é"},
        {"wabaId": "x"},
        {"settings": {"limits": {"messagesPerSecond": 0}}},
        {"settings": {"limits": {"messagesPerSecond": 1001}}},
        {"settings": {"autoReply": {"text": ""}}},
        {"settings": {"autoReply": {"enabled": "perhaps"}}},
        {"settings": {"typo": {}}},
        {"settings": {"inDoubtPolicy": "perhaps"}},
        {"settings": {"inDoubtPolicy": None}},
        {"settings": {"checkWindow": "no"}},
        {"settings": {"checkWindow": 0}},
        {"typo": 1},
        {"status": "active"},
    ],
)
def test_a_bad_registration_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RegisterGiven.model_validate({**REGISTER, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"to": ""},
        {"to": 919012345678},
        {"to": None},
        {"to": "9" * 33},
        {"text": ""},
        {"text": "x" * 4097},
        {"text": "\ud800"},
        {"text": {"body": "x"}},
        {"idempotency_key": ""},
        {"idempotency_key": "k" * 257},
        {"idempotency_key": "\udfff"},
        {"biz_opaque_callback_data": "mine"},
    ],
)
def test_a_bad_send_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SendGiven.model_validate({**SEND, **change})


def test_a_shown_tenant_says_whether_there_is_a_secret_and_no_more(
    make_tenant: Callable[..., Tenant],
) -> None:
    tenant = make_tenant(app_secret=SealedSecret(1, b"sealed-app-secret"))
    shown = show_tenant(tenant).model_dump_json(by_alias=True)
    assert '"hasAppSecret":true' in shown
    for secret in ("sealed", "wrapped", "Token", "dataKey", "local-1"):
        assert secret not in shown
        assert secret not in repr(tenant) or secret == "Token"


def test_settings_are_given_and_shown_in_the_same_words() -> None:
    given = {"inDoubtPolicy": "resend", "checkWindow": False}
    settings = SettingsGiven.model_validate(given).to_settings()
    assert settings == TenantSettings(in_doubt_policy=InDoubtPolicy.RESEND, check_window=False)
    assert settings.to_document().items() >= given.items()
    assert SettingsGiven.model_validate(settings.to_document()).to_settings() == settings


def test_a_patch_without_settings_means_the_defaults() -> None:
    patch = TenantPatch.model_validate({"name": "A", "wabaId": None, "status": "active"})
    assert patch.settings.to_settings() == TenantSettings()


def test_a_paused_tenant_shows_the_code_that_paused_it(make_tenant: Callable[..., Tenant]) -> None:
    tenant = make_tenant(status=TenantStatus.PAUSED, paused_reason="expired", paused_code=190)
    shown = show_tenant(tenant).model_dump(mode="json", by_alias=True)
    assert (shown["status"], shown["pausedReason"], shown["pausedCode"]) == (
        "paused",
        "expired",
        190,
    )
    assert show_tenant(make_tenant()).paused_code is None


def test_messages_in_trouble_are_named_or_filtered() -> None:
    failed = MessageStatus.FAILED
    named = TroublesGiven.model_validate({"messageIds": ["0" * 24]})
    assert [str(one) for one in named.message_ids or ()] == ["0" * 24]
    assert named.wanted(failed) == Troubles(failed)
    filtered = TroublesGiven.model_validate_json(
        '{"filter": {"code": 131026, "since": "2026-11-20T12:00:00+05:30"}, "limit": 7}'
    )
    wanted = filtered.wanted(failed)
    assert (wanted.code, filtered.limit) == (131026, 7)
    assert wanted.since is not None
    assert wanted.since.isoformat() == "2026-11-20T12:00:00+05:30"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "either messageIds or filter"),
        ({"messageIds": ["0" * 24], "filter": {}}, "either messageIds or filter"),
        ({"messageIds": ["0" * 24], "limit": 1}, "limit goes with filter"),
        ({"messageIds": ["0" * 23]}, "24 lower-case hexadecimal digits"),
        ({"filter": {"until": "2026-11-20T12:00:00"}}, "timezone"),
    ],
)
def test_an_unclear_choice_of_messages_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        TroublesGiven.model_validate(given)
