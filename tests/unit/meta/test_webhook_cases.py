"""Every documented shape of a webhook, and what the parser makes of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from manyline.meta.webhook import InboundMessage, Item, StatusUpdate, parse

Case = Callable[[str], bytes]

NUMBER = "111111111111111"
SHEENA = "+16505551234"
SAID_AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

# name of the case: (type, the words a person would read)
MESSAGES = {
    "text": ("text", "Does it come in another color?"),
    "text_reply": ("text", "Yes, that one"),
    "text_from_ad": ("text", "Can I get more info about this?"),
    "image": ("image", "Taj Mahal"),
    "video": ("video", "Unboxing"),
    "document": ("document", "The invoice"),
    "audio_voice": ("audio", ""),
    "sticker": ("sticker", ""),
    "location": ("location", "Meta HQ"),
    "contacts": ("contacts", ""),
    "interactive_button_reply": ("interactive", "Cancel"),
    "interactive_list_reply": ("interactive", "Priority Mail Express"),
    "interactive_flow_reply": ("interactive", "Sent"),
    "interactive_absent": ("interactive", ""),
    "button": ("button", "Unsubscribe"),
    "order": ("order", "Love these!"),
    "reaction": ("reaction", "👍"),
    "reaction_removed": ("reaction", ""),
    "system_changed_number": ("system", "Sheena Nelson changed from 16505551234 to 12195555358"),
    "unsupported": ("unsupported", ""),
    "edit": ("edit", ""),
    "revoke": ("revoke", ""),
    "unknown_type": ("hologram", ""),
    "group_text": ("text", "hello group"),
    "bsuid_and_number": ("text", "both"),
}
STATUSES = {
    "status_sent": "sent",
    "status_delivered": "delivered",
    "status_read": "read",
    "status_played": "played",
    "status_failed": "failed",
    "status_group": "delivered",
    "status_user_id": "read",
}
OTHERS = {
    "seeds_example",
    "bsuid_only",
    "value_errors",
    "account_update",
    "template_status",
    "many",
}


def only(items: list[Item]) -> Item:
    [item] = items
    return item


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_read(webhook_case: Case, name: str) -> None:
    message = only(parse(webhook_case(name)))

    assert isinstance(message, InboundMessage)
    assert (message.type, message.body) == MESSAGES[name]
    assert message.phone_number_id == NUMBER
    assert message.sender == SHEENA
    assert message.sent_at == SAID_AT
    assert message.wamid == message.content["id"]
    assert message.content["type"] == message.type
    if name != "system_changed_number":
        assert message.sender_name == "Sheena Nelson"


@pytest.mark.parametrize("name", STATUSES)
def test_a_status_is_read(webhook_case: Case, name: str) -> None:
    status = only(parse(webhook_case(name)))

    assert isinstance(status, StatusUpdate)
    assert (status.status, status.wamid) == (STATUSES[name], "wamid.sent")
    assert status.phone_number_id == NUMBER
    assert status.at == SAID_AT


def test_every_case_is_named_here() -> None:
    folder = Path(__file__).parents[2] / "testdata" / "meta"
    assert {case.stem for case in folder.glob("*.json")} == {*MESSAGES, *STATUSES, *OTHERS}


def test_the_seeds_example_passes_without_object_field_contacts_or_timestamp(
    webhook_case: Case,
) -> None:
    message = only(parse(webhook_case("seeds_example")))
    assert isinstance(message, InboundMessage)
    assert message.sender == "+919111111111"
    assert (message.wamid, message.type, message.body) == ("wamid.123", "text", "hi")
    assert message.sent_at is None
    assert message.sender_name is None


def test_a_sent_status_carries_our_id_and_its_price(webhook_case: Case) -> None:
    status = only(parse(webhook_case("status_sent")))
    assert isinstance(status, StatusUpdate)
    assert status.opaque == "6521a1b2c3d4e5f601234567"
    assert status.pricing == {
        "billable": False,
        "pricing_model": "PMP",
        "type": "free_customer_service",
        "category": "service",
    }
    assert status.error is None


def test_a_failed_status_says_why(webhook_case: Case) -> None:
    status = only(parse(webhook_case("status_failed")))
    assert isinstance(status, StatusUpdate)
    assert status.error is not None
    assert status.error["code"] == 131047
    assert status.error["title"] == "Re-engagement message"
    assert status.error["details"].startswith("Message failed to send because more than 24 hours")


def test_a_customer_without_a_number_is_known_by_user_id(webhook_case: Case) -> None:
    message = only(parse(webhook_case("bsuid_only")))
    assert isinstance(message, InboundMessage)
    assert (message.sender, message.user_id) == (None, "US.13491208655302741918")
    assert message.sender_name == "Sheena"


@pytest.mark.parametrize("name", ["value_errors", "account_update", "template_status"])
def test_what_is_neither_message_nor_status_gives_no_item(webhook_case: Case, name: str) -> None:
    assert parse(webhook_case(name)) == []


def test_all_items_of_every_entry_and_change_each_by_its_own_number(webhook_case: Case) -> None:
    items = parse(webhook_case("many"))
    found = [(item.phone_number_id, item.wamid) for item in items if not hasattr(item, "reason")]
    assert found == [
        ("111111111111111", "wamid.a1"),
        ("111111111111111", "wamid.a2"),
        ("111111111111111", "wamid.s1"),
        ("222222222222222", "wamid.b1"),
        ("333333333333333", "wamid.s2"),
        ("333333333333333", "wamid.s3"),
        ("111111111111111", "wamid.a3"),
    ]
    assert [item.sender for item in items if isinstance(item, InboundMessage)] == [
        "+16505550001",
        "+16505550002",
        "+16505550001",
        "+16505550003",
    ]
