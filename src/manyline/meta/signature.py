"""Meta's webhook signature: HMAC-SHA256 of the raw body under the app secret.

The raw bytes matter: Meta escapes non-ASCII as `\\uXXXX`, so a body that was parsed and written
again no longer fits. Source: shared facts on webhooks; header `X-Hub-Signature-256`.
"""

import hmac
import re
from collections.abc import Iterable

PREFIX = "sha256="
LENGTH = len(PREFIX) + 64
WELL_FORMED = re.compile(r"sha256=[0-9a-f]{64}", re.ASCII)


def sign(body: bytes, app_secret: str) -> str:
    """The header value that belongs to `body`."""
    return PREFIX + hmac.digest(app_secret.encode(), body, "sha256").hex()


def is_well_formed(header: str | None) -> bool:
    """Whether this could be a signature at all; what could not is worth no further look."""
    return header is not None and WELL_FORMED.fullmatch(header) is not None


def signer_of(body: bytes, header: str | None, app_secrets: Iterable[str]) -> str | None:
    """The first of the secrets that signs `body`; None when none does, and never why not.

    Compares in constant time. Which secret fits may show in the time it takes; what the right
    signature would have been does not.
    """
    # As much of `is_well_formed` as comparing needs; the rest the comparison finds.
    if header is None or len(header) != LENGTH or not header.isascii():
        return None
    for secret in app_secrets:
        if hmac.compare_digest(header, sign(body, secret)):
            return secret
    return None
