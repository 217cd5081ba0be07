"""Webhook bodies as Meta writes them, byte for byte: envelope, escaping, signature.

Meta signs the bytes it sends, in which every character beyond ASCII is `\\uXXXX` with lower-case
hex digits and every `/` is `\\/`; a receiver that parses and serialises before checking fails.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import Any

from graphsim.identifiers import display_phone_number, user_id_of

_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode


def meta_json(value: Any) -> bytes:
    """`value` as compact JSON in Meta's escaping; lone surrogates survive as escapes."""
    # A slash can stand only inside a string, so replacing it in the finished text is safe.
    return _ENCODE(value).replace("/", "\\/").encode("ascii")


def signature(app_secret: str, raw: bytes) -> str:
    """The value of `X-Hub-Signature-256` for exactly these bytes."""
    return "sha256=" + hmac.digest(app_secret.encode(), raw, hashlib.sha256).hex()


def envelope(changes: Iterable[tuple[str, dict[str, Any]]]) -> bytes:
    """One webhook body; `changes` are pairs of WABA id and change, one entry per WABA."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for waba, change in changes:
        entries.setdefault(waba, []).append(change)
    return meta_json(
        {
            "object": "whatsapp_business_account",
            "entry": [{"id": waba, "changes": of_waba} for waba, of_waba in entries.items()],
        }
    )


def status_change(
    *,
    phone_number_id: str,
    wamid: str,
    status: str,
    timestamp: int,
    wa_id: str | None,
    user_id: str | None,
    opaque: str | None,
    conversation_id: str | None,
    error: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A `messages` change with one status; with `conversation_id` it is priced.

    `wa_id` or `user_id` is what the message was sent to. A status tells both, and tells them again
    as `contacts`; one with an `error` has no contacts and tells only what it was sent to.
    """
    content: dict[str, Any] = {}
    if error is None:
        if user_id is None and wa_id is not None:
            user_id = user_id_of(phone_number_id, wa_id)
        content["contacts"] = [_contact(wa_id, user_id)]
    elif wa_id is not None:
        user_id = None
    one: dict[str, Any] = {"id": wamid, "status": status, "timestamp": str(timestamp)}
    if wa_id is not None:
        one["recipient_id"] = wa_id
    if user_id is not None:
        one["recipient_user_id"] = user_id
    if opaque is not None:
        one["biz_opaque_callback_data"] = opaque
    if conversation_id is not None:
        one["conversation"] = {"id": conversation_id, "origin": {"type": "service"}}
        one["pricing"] = {
            "billable": False,
            "pricing_model": "PMP",
            "type": "free_customer_service",
            "category": "service",
        }
    if error is not None:
        one["errors"] = [error]
    content["statuses"] = [one]
    return _messages_change(phone_number_id, content)


def inbound_change(
    *, phone_number_id: str, name: str | None, message: dict[str, Any]
) -> dict[str, Any]:
    """A `messages` change with one message of a customer; a `system` message has no contacts."""
    content: dict[str, Any] = {}
    wa_id, user_id = message.get("from"), message.get("from_user_id")
    if user_id is None and isinstance(wa_id, str):
        user_id = user_id_of(phone_number_id, wa_id)
    contact = _contact(wa_id, user_id)
    if name is not None:
        contact = {"profile": {"name": name}, **contact}
    if contact and message.get("type") != "system":
        content["contacts"] = [contact]
    content["messages"] = [message]
    return _messages_change(phone_number_id, content)


def _contact(wa_id: Any, user_id: Any) -> dict[str, Any]:
    given = {"wa_id": wa_id, "user_id": user_id}
    return {name: value for name, value in given.items() if value is not None}


def _messages_change(phone_number_id: str, content: dict[str, Any]) -> dict[str, Any]:
    metadata = {
        "display_phone_number": display_phone_number(phone_number_id),
        "phone_number_id": phone_number_id,
    }
    value = {"messaging_product": "whatsapp", "metadata": metadata, **content}
    return {"value": value, "field": "messages"}
