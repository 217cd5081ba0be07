"""Ids in the shapes that Meta gives them, so that nothing learns to rely on ours."""

import base64
import os
from hashlib import blake2b

_DIGITS = frozenset("0123456789")


def digits(number: str) -> str:
    """`+91 901…` → `91901…`: the Cloud API writes a `wa_id` without the plus sign."""
    return number if number.isdecimal() else "".join(char for char in number if char in _DIGITS)


def new_wamid(customer: str, *, inbound: bool = False) -> str:
    """A message id never given before: `wamid.` + base64 of number, direction and a random part.

    72 random bits, so a simulator that was killed and started again does not repeat itself.
    """
    name = customer.encode("ascii", "replace")[:255]
    direction = b"\x12" if inbound else b"\x11"
    random_part = os.urandom(9).hex().upper().encode()
    raw = b"\x1c\x18%c%b\x15\x02\x00%b\x18\x12%b\x00" % (len(name), name, direction, random_part)
    return "wamid." + base64.b64encode(raw).decode()


def user_id_of(phone_number_id: str, wa_id: str) -> str:
    """The business-scoped user id (BSUID) of a customer, stable over restarts.

    Scoped to a business portfolio; here each number has its own, so two numbers know the same
    customer by two ids. `ZZ` is a country that ISO 3166 gives to nobody.
    """
    digest = blake2b(f"{phone_number_id} {wa_id}".encode(), digest_size=8).digest()
    return f"ZZ.{int.from_bytes(digest)}"


def new_fbtrace_id() -> str:
    """The id that Meta's support asks for; 23 characters beginning with `A`."""
    return "A" + base64.urlsafe_b64encode(os.urandom(17))[:22].decode()


def new_conversation_id() -> str:
    """32 hex digits, as in a status's `conversation.id`."""
    return os.urandom(16).hex()


def waba_id(phone_number_id: str) -> str:
    """The business account a number belongs to: here each number has its own."""
    return "2" + phone_number_id


def display_phone_number(phone_number_id: str) -> str:
    """A readable number derived from the id, stable over restarts: `1555` + its last 7 digits."""
    return "1555" + digits(phone_number_id)[-7:].rjust(7, "0")
