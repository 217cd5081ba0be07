"""What is POSTed to Graph."""

from manyline.meta.graph import Accepted
from manyline.meta.payloads import send_request, text_content
from manyline.meta.simulated import is_mock_token, simulated_answer


def test_a_text_message_carries_our_id_and_the_plus() -> None:
    request = send_request(
        to="+919012345678", content=text_content("hello"), message_id="6521a1b2c3d4e5f601234567"
    )
    assert request == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+919012345678",
        "type": "text",
        "text": {"body": "hello"},
        "biz_opaque_callback_data": "6521a1b2c3d4e5f601234567",
    }


def test_a_customer_without_a_number_is_a_recipient_and_no_to() -> None:
    request = send_request(to="US.13491208655302741918", content=text_content("x"), message_id="1")
    assert request.get("recipient") == "US.13491208655302741918"
    assert "to" not in request


def test_mock_tokens() -> None:
    assert is_mock_token("mock_token_tenant_A")
    assert not is_mock_token("EAAGmock_")
    made = {simulated_answer().wamid for _ in range(100)}
    assert len(made) == 100
    assert all(wamid.startswith("wamid.") for wamid in made)
    assert isinstance(simulated_answer(), Accepted)
