"""Bodies of `POST /{phone-number-id}/messages`."""

from typing import Any

MAX_TEXT_LENGTH = 4096


def text_content(text: str) -> dict[str, Any]:
    """The content of a text message, as the Cloud API words it."""
    return {"type": "text", "text": {"body": text}}


def send_request(*, to: str, content: dict[str, Any], message_id: str) -> dict[str, Any]:
    """A whole request body. `message_id` comes back in every status of this message.

    `to` is E.164 with `+`, or a business-scoped user id, which goes by another name.
    """
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to" if to.startswith("+") else "recipient": to,
        **content,
        "biz_opaque_callback_data": message_id,
    }
