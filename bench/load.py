"""Who writes what: tenants' numbers, customers, and a message of one text, as Meta writes it."""

import json
from typing import Any

CUSTOMERS = 50_000


def phone_number_id(tenant: int) -> str:
    """The number of the nth tenant."""
    return str(100_000_000_000_000 + tenant)


def phone_number(customer: int) -> str:
    """Of the nth customer, in international form."""
    return f"+{919_000_000_000 + customer}"


def message(number: int, customer: int, now: str) -> dict[str, Any]:
    """The nth message, by this customer; `now` in seconds since 1970."""
    return {
        "from": phone_number(customer).removeprefix("+"),
        "id": f"wamid.HBgMOTE5MDAwMDAwMDAwFQIAEhgU{number:012X}AA==",
        "timestamp": now,
        "text": {"body": f"Hello, is my order number {number} on its way? \u2713"},
        "type": "text",
    }


def webhook(number: int, customer: int, phone_number_id: str, now: str) -> str:
    """A webhook with that message alone: compact, ASCII."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001111", "phone_number_id": phone_number_id},
        "contacts": [
            {
                "profile": {"name": f"Customer {customer}"},
                "wa_id": phone_number(customer).removeprefix("+"),
            }
        ],
        "messages": [message(number, customer, now)],
    }
    change = {"value": value, "field": "messages"}
    envelope = {
        "object": "whatsapp_business_account",
        "entry": [{"id": "102290129340398", "changes": [change]}],
    }
    return json.dumps(envelope, separators=(",", ":"))
