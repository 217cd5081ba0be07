import json

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
    change = status_change(
        phone_number_id="111",
        wamid="wamid.A",
        status="sent",
        timestamp=1_700_000_000,
        wa_id="919012345678",
        user_id=None,
        opaque="m1",
        conversation_id="c" * 32,
    )

    assert change["field"] == "messages"
    assert change["value"]["metadata"]["phone_number_id"] == "111"
    [status] = change["value"]["statuses"]
    assert status["timestamp"] == "1700000000"
    assert status["recipient_id"] == "919012345678"
    assert status["biz_opaque_callback_data"] == "m1"
    assert status["pricing"]["pricing_model"] == "PMP"


def test_a_status_without_opaque_id_price_or_number_leaves_them_out() -> None:
    change = status_change(
        phone_number_id="111",
        wamid="wamid.A",
        status="delivered",
        timestamp=1,
        wa_id=None,
        user_id="CC.abc",
        opaque=None,
        conversation_id=None,
    )

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
    assert value["contacts"] == [{"profile": {"name": "Asha"}, "wa_id": "919"}]
    assert value["messages"] == [message]

    system = {"from": "919", "type": "system"}
    assert "contacts" not in inbound_change(phone_number_id="1", name=None, message=system)["value"]
