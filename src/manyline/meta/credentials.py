"""What a call to Graph carries to show who makes it."""

import hashlib
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access token, and the proof that its bearer knows the app's secret."""

    token: str = field(repr=False)
    proof: str | None = field(default=None, repr=False)
    """Meta's `appsecret_proof`, 64 hex digits; None when the app secret is not known."""


def credentials(token: str, app_secret: str | None) -> Credentials:
    """Credentials for a token; the proof is HMAC-SHA256(key app secret, message token).

    With it a stolen token is worth nothing once the app demands proofs (Meta's page "Secure Graph
    API calls").
    """
    if not app_secret:
        return Credentials(token)
    proof = hmac.new(app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
    return Credentials(token, proof)
