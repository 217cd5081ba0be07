"""Tenants' settings survive storing, and what is missing has its default."""

from typing import Any

from manyline.tenants.models import (
    DEFAULT_REPLY,
    AutoReply,
    InDoubtPolicy,
    Limits,
    TenantSettings,
)


def test_settings_survive_storing() -> None:
    settings = TenantSettings(
        AutoReply(enabled=False, text="hi"),
        Limits(messages_per_second=7),
        in_doubt_policy=InDoubtPolicy.RESEND,
        check_window=False,
    )
    assert TenantSettings.from_document(settings.to_document()) == settings


def test_what_is_missing_has_its_default() -> None:
    missing = dict.fromkeys(["autoReply", "limits", "inDoubtPolicy", "checkWindow"])
    documents: list[dict[str, Any]] = [{}, {"autoReply": {}, "limits": {}}, missing]
    for document in documents:
        settings = TenantSettings.from_document(document)
        assert settings == TenantSettings()
    assert (
        settings.auto_reply.text == DEFAULT_REPLY == "thanks for reaching us\n- team <tenant.name>"
    )
    assert settings.limits.messages_per_second == 80
    assert settings.auto_reply.enabled
    assert settings.in_doubt_policy is InDoubtPolicy.HOLD
    assert settings.check_window
