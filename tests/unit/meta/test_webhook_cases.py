"""Every documented message and status, and what the parser makes of it.

What is neither stands in test_webhook_accounts and test_webhook_coexistence.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from manyline.meta.webhook import (
    About,
    IdentityChange,
    InboundMessage,
    Item,
    StatusUpdate,
    parse,
)
from tests.unit.meta import test_webhook_accounts as accounts
from tests.unit.meta import test_webhook_coexistence as coexistence

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
    "contacts": ("contacts", "Barbara J. Johnson"),
    "document_without_caption": ("document", "terms.pdf"),
    "text_forwarded": ("text", "Look at this"),
    "text_forwarded_often": ("text", "Look at this!"),
    "text_about_product": ("text", "Is it in stock?"),
    "interactive_call_permission": ("interactive", ""),
    "interactive_button_reply": ("interactive", "Cancel"),
    "interactive_list_reply": ("interactive", "Priority Mail Express"),
    "interactive_flow_reply": ("interactive", "Sent"),
    "interactive_absent": ("interactive", ""),
    "button": ("button", "Unsubscribe"),
    "order": ("order", "Love these!"),
    "reaction": ("reaction", "👍"),
    "reaction_removed": ("reaction", ""),
    "system_changed_number": ("system", "Sheena Nelson changed from 16505551234 to 12195555358"),
    "system_changed_number_and_user_id": (
        "system",
        "User Sheena Nelson changed from 16505551234 to 12195555358",
    ),
    "system_changed_identity": ("system", "Sheena Nelson's security code changed"),
    "unsupported": ("unsupported", ""),
    "edit": ("edit", "In blue, I mean"),
    "edit_caption": ("edit", "Taj Mahal, at dawn"),
    "revoke": ("revoke", ""),
    "unknown_type": ("unsupported", ""),
    "view_once_unsupported": ("unsupported", ""),
    "group_text": ("text", "hello group"),
    "bsuid_and_number": ("text", "both"),
    "bsuid_in_contact": ("text", "known by both"),
}
WITHOUT_CONTACTS = {
    "system_changed_number",
    "system_changed_number_and_user_id",
    "system_changed_identity",
}
STATUSES = {
    "status_sent": "sent",
    "status_delivered": "delivered",
    "status_read": "read",
    "status_played": "played",
    "status_failed": "failed",
    "status_group": "delivered",
    "status_user_id": "read",
    "status_failed_to_user_id": "failed",
    "status_both_recipients": "delivered",
}
BY_USER_ID = {"bsuid_only", "bsuid_username", "bsuid_reaction", "system_changed_user_id"}
OTHERS = {"seeds_example", "many"}


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
    assert message.type in (message.content["type"], "unsupported")
    assert (message.sender_name == "Sheena Nelson") is (name not in WITHOUT_CONTACTS)


@pytest.mark.parametrize("name", STATUSES)
def test_a_status_is_read(webhook_case: Case, name: str) -> None:
    status = only(parse(webhook_case(name)))

    assert isinstance(status, StatusUpdate)
    assert (status.status, status.wamid) == (STATUSES[name], "wamid.sent")
    assert status.phone_number_id == NUMBER
    assert status.at == SAID_AT


def test_every_case_is_named_here() -> None:
    folder = Path(__file__).parents[2] / "testdata" / "meta"
    named = [*MESSAGES, *STATUSES, *BY_USER_ID, *OTHERS, *accounts.CASES, *coexistence.CASES]
    assert sorted(case.stem for case in folder.glob("*.json")) == sorted(named)


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


def read(webhook_case: Case, name: str) -> InboundMessage:
    message = only(parse(webhook_case(name)))
    assert isinstance(message, InboundMessage)
    return message


BSUID = "US.13491208655302741918"
NEW_BSUID = "US.2084400000000000001"


def test_a_user_name_and_the_id_across_portfolios_are_read(webhook_case: Case) -> None:
    message = read(webhook_case, "bsuid_username")
    assert (message.sender, message.user_id) == (None, BSUID)
    assert message.parent_user_id == "US.ENT.11815799212886844830"
    assert (message.sender_name, message.username) == ("Sheena Nelson", "sheena.nelson")


@pytest.mark.parametrize("name", ["bsuid_and_number", "bsuid_in_contact"])
def test_number_and_user_id_are_one_person_when_a_webhook_says_so(
    webhook_case: Case, name: str
) -> None:
    message = read(webhook_case, name)
    assert (message.sender, message.user_id) == (SHEENA, BSUID)


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("reaction", About("reaction", "wamid.ours")),
        ("reaction_removed", About("reaction", "wamid.ours")),
        ("bsuid_reaction", About("reaction", "wamid.sent")),
        ("edit", About("edit", "wamid.text")),
        ("edit_caption", About("edit", "wamid.image")),
        ("revoke", About("revoke", "wamid.text")),
        ("text_reply", None),
        ("text", None),
    ],
)
def test_what_a_message_speaks_of(webhook_case: Case, name: str, about: About | None) -> None:
    message = read(webhook_case, name)
    assert message.about == about
    if about is not None:
        assert about.wamid in str(message.content[message.type])


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("system_changed_number", IdentityChange(SHEENA, "+12195555358", None, None)),
        ("system_changed_user_id", IdentityChange(None, None, BSUID, NEW_BSUID)),
        (
            "system_changed_number_and_user_id",
            IdentityChange(SHEENA, "+12195555358", BSUID, NEW_BSUID),
        ),
        ("system_changed_identity", None),
        ("text", None),
    ],
)
def test_who_is_called_otherwise_from_now_on(
    webhook_case: Case, name: str, changed: IdentityChange | None
) -> None:
    assert read(webhook_case, name).changed == changed


def test_a_system_message_has_a_sender_without_contacts(webhook_case: Case) -> None:
    assert read(webhook_case, "system_changed_number").sender == SHEENA
    message = read(webhook_case, "system_changed_user_id")
    assert (message.type, message.sender, message.user_id) == ("system", None, NEW_BSUID)


def test_what_is_forwarded_says_so(webhook_case: Case) -> None:
    forwarded = {name for name in MESSAGES if read(webhook_case, name).forwarded}
    assert forwarded == {"text_forwarded", "text_forwarded_often"}


def test_a_message_to_a_group_names_the_group_and_who_wrote(webhook_case: Case) -> None:
    message = read(webhook_case, "group_text")
    assert message.group_id == message.content["group_id"]
    assert message.sender == SHEENA
    assert read(webhook_case, "text").group_id is None


@pytest.mark.parametrize(
    ("name", "word"), [("unknown_type", "hologram"), ("view_once_unsupported", "unsupported")]
)
def test_what_is_not_supported_keeps_meta_s_word(webhook_case: Case, name: str, word: str) -> None:
    message = read(webhook_case, name)
    assert (message.type, message.content["type"]) == ("unsupported", word)


@pytest.mark.parametrize(
    ("name", "recipient", "user_id"),
    [
        ("status_sent", SHEENA, None),
        ("status_user_id", None, BSUID),
        ("status_both_recipients", SHEENA, BSUID),
        ("status_failed_to_user_id", None, BSUID),
        ("status_group", None, None),
    ],
)
def test_a_status_says_whom_it_was_sent_to(
    webhook_case: Case, name: str, recipient: str | None, user_id: str | None
) -> None:
    status = only(parse(webhook_case(name)))
    assert isinstance(status, StatusUpdate)
    assert (status.recipient, status.recipient_user_id) == (recipient, user_id)


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
