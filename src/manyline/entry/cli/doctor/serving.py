"""Checks from outside: the running API takes what Meta would send, and Graph can be reached."""

import secrets
import time
from collections.abc import Sequence
from urllib.parse import urlencode

from pydantic import SecretStr

from manyline.base.errors import ManylineError
from manyline.entry.cli.client import ApiClient
from manyline.entry.cli.doctor.findings import Finding, broken, ok, skipped, warning
from manyline.meta.signature import sign
from manyline.settings import Settings

API = "API"
KEY = "operator's key"
SIGNATURE = "signature"
HANDSHAKE = "handshake"
GRAPH = "Graph"
WEBHOOK = "/whatsapp/webhook"
EMPTY_WEBHOOK = b'{"object":"whatsapp_business_account","entry":[]}'


def check_api(client: ApiClient, settings: Settings) -> list[Finding]:
    """All that is asked of the API; blocking."""
    try:
        first = _ready(client)
    except ManylineError as error:
        because = "the API does not answer"
        return [
            broken(API, error.detail, "manyline up, or manyline api"),
            *(skipped(name, because) for name in (KEY, SIGNATURE, HANDSHAKE)),
        ]
    return [
        first,
        _operators_key(client, settings),
        _signature(client, [secret.get_secret_value() for secret in settings.app_secret]),
        _handshake(client, _plain(settings.verify_token)),
    ]


def _ready(client: ApiClient) -> Finding:
    answer = client.call("GET", "/health/ready")
    body = answer.body if isinstance(answer.body, dict) else {}
    if body.get("status") == "ready":
        return ok(API, f"ready at {client.url}")
    if "checks" not in body:
        return broken(
            API,
            f"{client.url} answers HTTP {answer.status}, and is no API of ours",
            "correct PORT, --url or MANYLINE_URL",
        )
    wrong = [f"{name}: {c['state']}" for name, c in body["checks"].items() if c["state"] != "up"]
    make = broken if answer.status >= 500 else warning
    return make(API, f"{body['status']} ({', '.join(wrong)})", "see what else is found here")


def _operators_key(client: ApiClient, settings: Settings) -> Finding:
    answer = client.call("GET", "/tenants?limit=1")
    if answer.status == 401:
        return broken(
            KEY,
            "the API refuses the one that is set here, or wants one and none is set",
            "set ADMIN_API_KEY to the one that the API was started with",
        )
    if answer.status != 200:
        return broken(KEY, f"/tenants answers HTTP {answer.status}", "look at the API's log")
    if settings.admin_api_key is None:
        return ok(KEY, "none is set: whoever reaches the API may use it (development)")
    return ok(KEY, "the API takes it")


def _signature(client: ApiClient, app_secrets: Sequence[str]) -> Finding:
    """A webhook with nothing in it, signed as Meta signs, must pass; a forged one must not."""
    forged = client.call("POST", WEBHOOK, EMPTY_WEBHOOK, **_signed(secrets.token_hex(32)))
    if not app_secrets:
        if forged.status == 200:
            return warning(
                SIGNATURE,
                "APP_SECRET is not set: anybody who reaches the webhook may speak for Meta",
                "set APP_SECRET to the one of your Meta app before the webhook is public",
            )
        return broken(
            SIGNATURE,
            "the API checks signatures, and APP_SECRET is not set here",
            "set APP_SECRET here too, or start the API without it",
        )
    answers = [client.call("POST", WEBHOOK, EMPTY_WEBHOOK, **_signed(s)) for s in app_secrets]
    refused = [answer.status for answer in answers if answer.status != 200]
    if refused:
        return broken(
            SIGNATURE,
            f"a webhook signed with APP_SECRET is answered HTTP {refused[0]}: the API was started"
            " with another one, or something on the way changes bodies",
            "set the same APP_SECRET for the API and start it again",
        )
    if forged.status != 401:
        return broken(
            SIGNATURE,
            f"a forged webhook is answered HTTP {forged.status} and not 401",
            "start the API again with APP_SECRET set",
        )
    return ok(SIGNATURE, "a signed webhook passes, a forged one is refused")


def _signed(secret: str) -> dict[str, str]:
    return {"X-Hub-Signature-256": sign(EMPTY_WEBHOOK, secret)}


def _handshake(client: ApiClient, verify_token: str | None) -> Finding:
    if verify_token is None:
        return warning(
            HANDSHAKE,
            "VERIFY_TOKEN is not set: Meta cannot be told of this webhook",
            "set VERIFY_TOKEN to a random word, and give Meta the same",
        )
    challenge = secrets.randbelow(10**9)
    query = {
        "hub.mode": "subscribe",
        "hub.verify_token": verify_token,
        "hub.challenge": challenge,
    }
    answer = client.call("GET", f"{WEBHOOK}?{urlencode(query)}")
    if answer.status == 200 and answer.body == challenge:
        return ok(HANDSHAKE, "the API answers Meta's challenge")
    return broken(
        HANDSHAKE,
        f"the API answers HTTP {answer.status}: it was started with another VERIFY_TOKEN",
        "set the same VERIFY_TOKEN for the API and start it again",
    )


def check_graph(settings: Settings) -> Finding:
    """Any answer at all will do: without a token none is friendly. Blocking."""
    began = time.monotonic()
    try:
        client = ApiClient(settings.graph_base_url, key=None, seconds=5.0)
    except ManylineError as error:
        return broken(GRAPH, error.detail, "correct GRAPH_BASE_URL")
    try:
        answer = client.call("GET", f"/{settings.whatsapp_api_version}")
    except ManylineError:
        return broken(
            GRAPH,
            f"{client.url} cannot be reached: messages wait, and fail after MESSAGE_EXPIRY_SECONDS",
            "let this machine out to that address: name service, firewall, proxy; or correct"
            " GRAPH_BASE_URL",
        )
    took = (time.monotonic() - began) * 1000
    return ok(GRAPH, f"{client.url} answers (HTTP {answer.status}, {took:.0f} ms)")


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None
