"""From an item to what is set aside of it: its JSON, and what it takes to read it again. Pure."""

import json
from typing import Any

from manyline.inbound.addressed import Addressed
from manyline.inbound.models import Quarantined
from manyline.inbound.voices import voice_of
from manyline.meta.webhook import (
    AccountEvent,
    EchoMessage,
    InboundMessage,
    JsonObject,
    PastMessage,
    Unreadable,
)
from manyline.tenants.models import Tenant

PARTLY_KEPT = frozenset({"messages", "history"})
"""Of these an event's content is a part of the value, and the number it names is left out."""


def unreadable(item: Unreadable, tenant: Tenant | None, found: Addressed) -> Quarantined:
    """An item that made no sense. Whose it is may be read later: then who signed counts."""
    return Quarantined(
        tenant_id=tenant.id if tenant is not None else None,
        phone_number_id=item.phone_number_id,
        reason=item.reason,
        raw=item.raw if item.raw is not None else _json(item.item),
        part=item.part,
        voice=voice_of(found) if tenant is None else None,
    )


def unstorable(
    item: InboundMessage | EchoMessage | PastMessage | AccountEvent, reason: str, tenant: Tenant
) -> Quarantined:
    """An item that was understood and has no form that the store takes."""
    part, content, beside = _place(item)
    return Quarantined(
        tenant_id=tenant.id,
        phone_number_id=item.phone_number_id,
        reason=reason,
        raw=_json(content),
        part=part,
        beside=_json(beside) if beside else None,
    )


def _place(
    item: InboundMessage | EchoMessage | PastMessage | AccountEvent,
) -> tuple[str, JsonObject, JsonObject]:
    """The list it stands in, the item, and what stood around that list and belongs to the item."""
    if isinstance(item, InboundMessage):
        return "messages", item.content, {"contacts": [_contact(item)]}
    if isinstance(item, EchoMessage):
        return "message_echoes", item.content, {}
    if isinstance(item, PastMessage):
        return "history", item.content, _thread(item)
    return "entry", _entry(item), {}


def _contact(message: InboundMessage) -> JsonObject:
    told: dict[str, Any] = {
        "wa_id": message.sender.removeprefix("+") if message.sender else None,
        "user_id": message.user_id,
        "parent_user_id": message.parent_user_id,
    }
    profile = {"name": message.sender_name, "username": message.username}
    contact = {key: value for key, value in told.items() if value is not None}
    return contact | {"profile": {key: value for key, value in profile.items() if value}}


def _thread(message: PastMessage) -> JsonObject:
    """Whose conversation it is, and of what the business wrote, by which number one sees that."""
    customer = message.customer.removeprefix("+") if message.customer else message.user_id
    told: JsonObject = {"thread": {"id": customer}}
    writer = message.content.get("from")
    if message.outgoing and isinstance(writer, str):
        told["metadata"] = {"display_phone_number": writer}
    return told


def _entry(event: AccountEvent) -> JsonObject:
    value: JsonObject = (
        {"history": [event.content]} if event.field == "history" else dict(event.content)
    )
    if event.phone_number_id is not None and event.field in PARTLY_KEPT:
        named = {"phone_number_id": event.phone_number_id}
        if event.display_phone_number is not None:
            named["display_phone_number"] = event.display_phone_number
        value.setdefault("metadata", named)
    entry: JsonObject = {"id": event.waba_id, "changes": [{"field": event.field, "value": value}]}
    if event.at is not None:
        entry["time"] = int(event.at.timestamp())
    return entry


def _json(item: object) -> bytes:
    """A lone surrogate stays what it was: an escape."""
    try:
        return json.dumps(item).encode()
    except (ValueError, RecursionError):
        return b""
