import json
from typing import Any

from graphsim.identifiers import user_id_of
from graphsim.payloads import envelope, inbound_change, meta_json, signature, status_change


def test_non_ascii_and_slashes_are_escaped_as_meta_does() -> None:
    raw = meta_json({"body": "né/বাংলা 😀"})

    assert raw == (b'{"body":"n\\u00e9\\/\\u09ac\\u09be\\u0982\\u09b2\\u09be \\ud83d\\ude00"}')
    assert json.loads(raw) == {"body": "né/বাংলা 😀"}


def test_a_lone_surrogate_and_a_nul_key_reach_the_wire() -> None:
    assert meta_json({"a\0": "\ud800"}) == b'{"a\\u0000":"\\ud800"}'


def test_signature_is_the_known_hmac() -> None:
    # Third-party vector: RFC 4231, test case 2.
    assert signature("Jefe", b"what do ya want for nothing?") == (
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def test_changes_of_one_waba_share_an_entry() -> None:
    body = json.loads(envelope([("w1", {"n": 1}), ("w2", {"n": 2}), ("w1", {"n": 3})]))

    assert body == {
        "object": "whatsapp_business_account",
        "entry": [
            {"id": "w1", "changes": [{"n": 1}, {"n": 3}]},
            {"id": "w2", "changes": [{"n": 2}]},
        ],
    }


def test_a_status_has_strings_where_meta_has_them() -> None:
    change = status_of_a_send(status="sent", opaque="m1", conversation_id="c" * 32)

    assert change["field"] == "messages"
    assert change["value"]["metadata"]["phone_number_id"] == "111"
    [status] = change["value"]["statuses"]
    assert status["timestamp"] == "1700000000"
    assert status["recipient_id"] == "919012345678"
    assert status["biz_opaque_callback_data"] == "m1"
    assert status["pricing"]["pricing_model"] == "PMP"


def status_of_a_send(**changes: Any) -> dict[str, Any]:
    """The change with a status of a message to a phone number."""
    given: dict[str, Any] = {
        "phone_number_id": "111",
        "wamid": "wamid.A",
        "status": "delivered",
        "timestamp": 1_700_000_000,
        "wa_id": "919012345678",
        "user_id": None,
        "opaque": None,
        "conversation_id": None,
    }
    return status_change(**given | changes)


def test_a_status_names_the_recipient_in_both_ways_and_as_a_contact() -> None:
    value = status_of_a_send()["value"]
    user_id = user_id_of("111", "919012345678")
    [status] = value["statuses"]
    assert (status["recipient_id"], status["recipient_user_id"]) == ("919012345678", user_id)
    assert value["contacts"] == [{"wa_id": "919012345678", "user_id": user_id}]


def test_a_failed_status_has_its_error_no_contacts_and_only_the_name_that_was_sent_to() -> None:
    error = {"code": 131026}
    by_phone = status_of_a_send(status="failed", error=error)["value"]
    by_user_id = status_of_a_send(status="failed", error=error, wa_id=None, user_id="CC.a")["value"]
    assert "contacts" not in by_phone
    assert "contacts" not in by_user_id
    [one], [other] = by_phone["statuses"], by_user_id["statuses"]
    assert one["errors"] == [error]
    assert ("recipient_id" in one, "recipient_user_id" in one) == (True, False)
    assert ("recipient_id" in other, other["recipient_user_id"]) == (False, "CC.a")


def test_a_status_without_opaque_id_price_or_number_leaves_them_out() -> None:
    change = status_of_a_send(timestamp=1, wa_id=None, user_id="CC.abc")

    assert change["value"]["contacts"] == [{"user_id": "CC.abc"}]
    [status] = change["value"]["statuses"]
    assert status == {
        "id": "wamid.A",
        "status": "delivered",
        "timestamp": "1",
        "recipient_user_id": "CC.abc",
    }


def test_an_inbound_message_brings_its_contact_but_a_system_message_does_not() -> None:
    message = {"from": "919", "id": "wamid.B", "type": "text", "text": {"body": "hi"}}
    value = inbound_change(phone_number_id="111", name="Asha", message=message)["value"]
    known = {"wa_id": "919", "user_id": user_id_of("111", "919")}
    assert value["contacts"] == [{"profile": {"name": "Asha"}, **known}]
    assert value["messages"] == [message]

    system = {"from": "919", "type": "system"}
    assert "contacts" not in inbound_change(phone_number_id="1", name=None, message=system)["value"]
