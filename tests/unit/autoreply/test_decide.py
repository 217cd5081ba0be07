"""What is answered, with which words, and what is left unanswered."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from manyline.autoreply.decide import auto_reply
from manyline.meta.webhook import InboundMessage, parse
from manyline.tenants.models import AutoReply, Tenant, TenantSettings, TenantStatus


def message(type_: str = "text", **more: Any) -> InboundMessage:
    given = {"from": "919111111111", "id": "wamid.1", "type": type_, **more}
    value = {"metadata": {"phone_number_id": "111"}, "messages": [given]}
    [item] = parse(json.dumps({"entry": [{"changes": [{"value": value}]}]}).encode())
    assert isinstance(item, InboundMessage)
    return item


def test_the_exact_words(make_tenant: Callable[..., Tenant], clock: Any) -> None:
    tenant = make_tenant(name="Tenant A")
    assert (
        auto_reply(tenant, message(), now=clock.now()) == "thanks for reaching us\n- team Tenant A"
    )


def test_a_tenants_own_words(make_tenant: Callable[..., Tenant], clock: Any) -> None:
    words = AutoReply(text="<tenant.name>: hi from <tenant.name> {0} %s")
    tenant = make_tenant(name="A & <B>", settings=TenantSettings(auto_reply=words))
    assert auto_reply(tenant, message(), now=clock.now()) == "A & <B>: hi from A & <B> {0} %s"


def test_switched_off_or_closed(make_tenant: Callable[..., Tenant], clock: Any) -> None:
    off = make_tenant(settings=TenantSettings(auto_reply=AutoReply(enabled=False)))
    closed = make_tenant(status=TenantStatus.CLOSED)
    assert auto_reply(off, message(), now=clock.now()) is None
    assert auto_reply(closed, message(), now=clock.now()) is None


def test_a_paused_tenants_reply_waits_in_the_queue(
    make_tenant: Callable[..., Tenant], clock: Any
) -> None:
    paused = make_tenant(status=TenantStatus.PAUSED)
    assert auto_reply(paused, message(), now=clock.now()) is not None


@pytest.mark.parametrize("type_", ["reaction", "system", "edit", "revoke"])
def test_news_about_a_message_is_none(
    make_tenant: Callable[..., Tenant], clock: Any, type_: str
) -> None:
    assert auto_reply(make_tenant(), message(type_), now=clock.now()) is None


@pytest.mark.parametrize("type_", ["text", "image", "audio", "location", "unsupported", "hologram"])
def test_whatever_a_customer_says_is_answered(
    make_tenant: Callable[..., Tenant], clock: Any, type_: str
) -> None:
    assert auto_reply(make_tenant(), message(type_), now=clock.now()) is not None


def test_a_message_past_its_window_is_too_old_to_answer(
    make_tenant: Callable[..., Tenant], clock: Any
) -> None:
    def said(ago: timedelta) -> InboundMessage:
        return message(timestamp=str(int((clock.now() - ago).timestamp())))

    tenant, now = make_tenant(), clock.now()
    assert auto_reply(tenant, said(timedelta(hours=23, minutes=59)), now=now) is not None
    assert auto_reply(tenant, said(timedelta(hours=24, minutes=1)), now=now) is None
    assert auto_reply(tenant, said(timedelta(hours=-1)), now=now) is not None
