"""Meta's webhook: by far the busiest path, so plain ASGI with nothing of FastAPI around it.

As a route inside FastAPI, a fifth of the API's CPU went to the layers around it (profiled). Most
deliveries come here by an even shorter way, see `short_way`.
"""

import hmac
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from manyline.base.errors import ManylineError
from manyline.entry.api.problems import from_error, problem
from manyline.inbound.receive import Receiver

WEBHOOK_PATH = "/whatsapp/webhook"
SIGNATURE_HEADER = "x-hub-signature-256"
TAKEN = Response(b'{"ok":true}', media_type="application/json")


class WebhookTaker:
    """Takes a delivery, whichever way it came."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def take(
        self, body: bytes, signatures: Sequence[str], *, request_id: str | None
    ) -> Response:
        """Store it, and say so or why not. `signatures`: each that came."""
        # Of two nobody can say which is meant, so neither is.
        signature = signatures[0] if len(signatures) == 1 else None
        try:
            await self._receiver.receive(body, signature)
        except ManylineError as error:
            return from_error(error, request_id=request_id)
        return TAKEN


class WebhookDoor:
    """Answers the webhook's path itself: the handshake (GET) and the delivery (POST)."""

    def __init__(self, others: ASGIApp, *, taker: WebhookTaker, verify_token: str | None) -> None:
        self._others = others
        self._taker = taker
        self._verify_token = verify_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass it on to the other routes."""
        if scope["type"] != "http" or scope["path"] != WEBHOOK_PATH:
            await self._others(scope, receive, send)
            return
        answer = await self._answer(Request(scope, receive))
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._take(request)
        if request.method in ("GET", "HEAD"):
            return self._shake_hands(request)
        allowed = {"Allow": "GET, POST"}
        return problem(405, "method_not_allowed", "the webhook knows GET and POST", headers=allowed)

    async def _take(self, request: Request) -> Response:
        signatures = Headers(scope=request.scope).getlist(SIGNATURE_HEADER)
        request_id = request.scope.get("request_id")
        return await self._taker.take(await request.body(), signatures, request_id=request_id)

    def _shake_hands(self, request: Request) -> Response:
        query = request.query_params
        given = query.get("hub.verify_token", "").encode()
        wanted = self._verify_token
        fits = wanted is not None and hmac.compare_digest(given, wanted.encode())
        if not fits or query.get("hub.mode") != "subscribe":
            return problem(
                403,
                "handshake_refused",
                "hub.mode must be subscribe, and hub.verify_token must equal VERIFY_TOKEN",
                request_id=request.scope.get("request_id"),
            )
        return PlainTextResponse(query.get("hub.challenge", ""))
