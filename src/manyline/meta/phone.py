"""Phone numbers and business-scoped user ids, as the Cloud API writes them.

Webhooks carry numbers without `+` (the seeds' examples with it); we keep E.164 with `+`, and
send it, since without it Meta may prepend the business number's own country.
"""

import re

import phonenumbers

_SEPARATORS = re.compile(r"[\s().\-]+")
_DIGITS = re.compile(r"\+?([1-9][0-9]{5,14})")
_BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}")


def from_webhook(text: object) -> str | None:
    """`919…` or `+919…` as `+919…`; None for what is no number (6 to 15 digits)."""
    match = _DIGITS.fullmatch(text) if isinstance(text, str) else None
    return "+" + match[1] if match else None


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
