"""Who is calling Graph: the bearer token, and the proof that the caller knows the app's secret."""

import hashlib
import hmac

from aiohttp import web

from graphsim.graph_errors import GraphError, graph_error, proof_error
from graphsim.settings import Settings


def bearer(request: web.Request) -> str | None:
    """The token of `Authorization: Bearer …`, or of Graph's `access_token` query parameter."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.query.get("access_token") or None


def appsecret_proof(app_secret: str, token: str) -> str:
    """Hex HMAC-SHA256 of the token under the app's secret ("Secure Graph API calls")."""
    return hmac.digest(app_secret.encode(), token.encode(), hashlib.sha256).hex()


def stranger(request: web.Request, token: str | None, settings: Settings) -> GraphError | None:
    """Why the caller with this `token` is not let in, or None."""
    if token is None:
        return _bad_token("An access token is required to request this resource.")
    if token in settings.bad_tokens or not token.startswith(settings.token_prefix or ""):
        return _bad_token("The access token could not be decrypted or has expired.")
    # Parsing a query costs more than all the rest here, and most requests have none.
    proof = request.query.get("appsecret_proof") if "?" in request.raw_path else None
    if proof is None:
        wanted = "API calls from the server require an appsecret_proof argument"
        return proof_error(wanted) if settings.require_proof else None
    if settings.app_secret is None:
        return None
    right = appsecret_proof(settings.app_secret, token)
    if hmac.compare_digest(proof.encode(), right.encode()):
        return None
    return proof_error("Invalid appsecret_proof provided in the API argument")


def _bad_token(details: str) -> GraphError:
    return graph_error(190, details, title="Invalid OAuth access token")
