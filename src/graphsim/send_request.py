"""What a POST to `/{version}/{phoneNumberId}/messages` asks for, and whether Meta would take it.

`parse` never fails: the journal must be able to say what arrived even when it was nonsense.
`check` then finds the first thing Meta would complain about. Only the outer shape of a message is
checked; what stands inside a template or an interactive object is not.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphsim.graph_errors import GraphError, graph_error
from graphsim.identifiers import digits

MAX_TEXT = 4096
"""Characters of `text.body`."""
MAX_OPAQUE = 512
"""Characters of `biz_opaque_callback_data`."""
MESSAGE_TYPES: dict[str, type] = {
    "text": dict,
    "image": dict,
    "video": dict,
    "audio": dict,
    "document": dict,
    "sticker": dict,
    "location": dict,
    "contacts": list,
    "interactive": dict,
    "template": dict,
    "reaction": dict,
}


@dataclass(frozen=True, slots=True)
class SendRequest:
    """The fields the simulator looks at; each is None when absent or not a string."""

    payload: dict[str, Any] | None
    """The whole JSON object; None when the body was not one."""
    to: str | None
    wa_id: str | None
    """The recipient's number as Meta writes it, if the message goes to a number."""
    recipient: str | None
    type: str | None
    body: str | None
    opaque: str | None

    @property
    def customer(self) -> str:
        """Whom the message is for: a `wa_id`, or a business-scoped user id."""
        return self.wa_id or self.recipient or ""


def parse(raw: bytes) -> SendRequest:
    """Read as much as there is of the request body `raw`."""
    try:
        payload = json.loads(raw)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        return SendRequest(None, None, None, None, None, None, None)
    text = payload.get("text")
    to = _text_of(payload, "to")
    return SendRequest(
        payload=payload,
        to=to,
        wa_id=digits(to) if to else None,
        recipient=_text_of(payload, "recipient"),
        type=_text_of(payload, "type") if "type" in payload else "text",
        body=_text_of(text, "body") if isinstance(text, dict) else None,
        opaque=_text_of(payload, "biz_opaque_callback_data"),
    )


def check(send: SendRequest) -> GraphError | None:
    """The first complaint Meta would have, or None when the message would be taken."""
    payload = send.payload
    if payload is None:
        return graph_error(100, "The request body is not a JSON object.")
    for complaint in _COMPLAINTS:
        error = complaint(send, payload)
        if error is not None:
            return error
    return None


def _product(_send: SendRequest, payload: dict[str, Any]) -> GraphError | None:
    product = payload.get("messaging_product")
    if product is None:
        return graph_error(100, "The parameter messaging_product is required.")
    if not isinstance(product, str) or product.lower() != "whatsapp":
        return graph_error(100, "Param messaging_product must be one of {WHATSAPP}.")
    return None


def _recipient(send: SendRequest, payload: dict[str, Any]) -> GraphError | None:
    for name in ("to", "recipient"):
        if payload.get(name) is not None and not isinstance(payload[name], str):
            return graph_error(100, f"Param {name} must be a string.")
    if not send.to and not send.recipient:
        return graph_error(131008, "The parameter to or recipient is required.")
    if send.to and not send.wa_id:
        return graph_error(131009, "Param to is not a phone number.")
    return None


def _type(send: SendRequest, payload: dict[str, Any]) -> GraphError | None:
    shape = MESSAGE_TYPES.get(send.type or "")
    if send.type is None or shape is None:
        known = ", ".join(name.upper() for name in MESSAGE_TYPES)
        return graph_error(131051, f"Param type must be one of {{{known}}}.")
    content = payload.get(send.type)
    if content in (None, {}, []):
        if send.type == "text":
            return graph_error(100, "The parameter text['body'] is required.")
        return graph_error(131008, f"Parameter '{send.type}' is mandatory for its type.")
    if not isinstance(content, shape):
        wanted = "an array" if shape is list else "an object"
        return graph_error(100, f"Param {send.type} must be {wanted}.")
    return None


def _text(send: SendRequest, _payload: dict[str, Any]) -> GraphError | None:
    if send.type != "text":
        return None
    if not send.body:
        return graph_error(100, "The parameter text['body'] is required.")
    if len(send.body) > MAX_TEXT:
        return graph_error(100, f"Param text['body'] must be at most {MAX_TEXT} characters long.")
    return None


def _opaque(send: SendRequest, payload: dict[str, Any]) -> GraphError | None:
    if payload.get("biz_opaque_callback_data") is None:
        return None
    if send.opaque is None:
        return graph_error(100, "Param biz_opaque_callback_data must be a string.")
    if len(send.opaque) > MAX_OPAQUE:
        return graph_error(
            100, f"Param biz_opaque_callback_data must be at most {MAX_OPAQUE} characters long."
        )
    return None


def _text_of(holder: dict[str, Any], name: str) -> str | None:
    value = holder.get(name)
    return value if isinstance(value, str) else None


_Complaint = Callable[[SendRequest, dict[str, Any]], GraphError | None]
_COMPLAINTS: tuple[_Complaint, ...] = (_product, _recipient, _type, _text, _opaque)
