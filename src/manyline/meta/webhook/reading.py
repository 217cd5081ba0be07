"""From the bytes of a webhook to a JSON value, losing no more than the item that is ill.

msgspec reads nearly every body. It refuses a whole body for one lone surrogate, `NaN`, `1e999`
or a byte that is no UTF-8; the standard library reads those, so that the item alone is judged.
Both refuse what is nested some thousand levels deep; then the body is walked (see `walking`).
"""

import msgspec

from manyline.meta.webhook.items import MalformedWebhookError
from manyline.meta.webhook.walking import DECODER, Walked, walk


def read(body: bytes) -> Walked:
    """The body's JSON value, and what was given up of it; raises `MalformedWebhookError`."""
    try:
        return msgspec.json.decode(body), None
    except RecursionError:
        strict_refused_for_depth = True
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        strict_refused_for_depth = False
    # A byte that is no UTF-8 becomes a lone surrogate, which only its own item suffers from.
    text = body.decode("utf-8-sig", "surrogateescape")
    try:
        return walk(text) if strict_refused_for_depth else _read_leniently(text)
    except ValueError:
        raise MalformedWebhookError("the body is not JSON") from None


def _read_leniently(text: str) -> Walked:
    try:
        return DECODER.decode(text), None
    except RecursionError:
        return walk(text)
