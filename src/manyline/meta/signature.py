"""Meta's webhook signature: HMAC-SHA256 of the raw body under the app secret.

The raw bytes matter: Meta escapes non-ASCII as `\\uXXXX`, so a body that was parsed and written
again no longer fits. Source: shared facts on webhooks; header `X-Hub-Signature-256`.
"""

import hmac
from collections.abc import Iterable

PREFIX = "sha256="


def sign(body: bytes, app_secret: str) -> str:
    """The header value that belongs to `body`."""
    return PREFIX + hmac.digest(app_secret.encode(), body, "sha256").hex()


def is_signed(body: bytes, header: str | None, app_secrets: Iterable[str]) -> bool:
    """Whether any of the secrets signs `body`; compares in constant time, never says why not."""
    if header is None:
        return False
    given = header.encode("utf-8", "replace")
    fitting = [hmac.compare_digest(given, sign(body, secret).encode()) for secret in app_secrets]
    return any(fitting)
