"""Phone numbers and business-scoped user ids, as the Cloud API writes them.

Webhooks carry numbers without `+` (the seeds' examples with it); we keep E.164 with `+`, and
send it, since without it Meta may prepend the business number's own country.
"""

import re

import phonenumbers

_SEPARATORS = re.compile(r"[\s().\-]+")
MIN_DIGITS = 6
MAX_DIGITS = 15
_BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}")


def from_webhook(text: object) -> str | None:
    """`919…`, `+919…` or the number 919… as `+919…`; None for what is none (6 to 15 digits)."""
    if isinstance(text, int):
        text = str(text) if 0 < text < 10**MAX_DIGITS else ""
    if not isinstance(text, str):
        return None
    # Not by a regular expression: this runs several times for each message.
    digits = text.removeprefix("+")
    if (
        MIN_DIGITS <= len(digits) <= MAX_DIGITS
        and digits.isdigit()
        and digits.isascii()
        and digits[0] != "0"
    ):
        return "+" + digits
    return None


def from_caller(text: str) -> str | None:
    """What a tenant's software wrote as `to`, as E.164; None for a number that cannot be one.

    Spaces, dots, dashes and brackets are forgiven; whether somebody has the number is not asked.
    """
    number = from_webhook(_SEPARATORS.sub("", text))
    if number is None:
        return None
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_possible_number(parsed) else None


def user_id(text: object) -> str | None:
    """A business-scoped user id (BSUID), such as `IN.1234abcd`; None for anything else."""
    return text if isinstance(text, str) and _BSUID.fullmatch(text) else None
