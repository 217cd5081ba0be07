"""Meta's webhook: a plain Starlette route, since it is the busiest one by far."""

import hmac
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from manyline.entry.api.layers import WEBHOOK_PATH
from manyline.entry.api.problems import problem, request_id_of
from manyline.inbound.receive import Receiver

TAKEN = b'{"ok":true}'


def webhook_routes(receiver: Receiver, *, verify_token: str | None) -> list[Route]:
    """The handshake (GET) and the delivery (POST)."""
    return [
        Route(WEBHOOK_PATH, _handshake(verify_token), methods=["GET"], name="verify webhook"),
        Route(WEBHOOK_PATH, _delivery(receiver), methods=["POST"], name="take webhook"),
    ]


def _handshake(verify_token: str | None) -> Callable[[Request], Awaitable[Response]]:
    async def handshake(request: Request) -> Response:
        query = request.query_params
        given = query.get("hub.verify_token", "").encode()
        fits = verify_token is not None and hmac.compare_digest(given, verify_token.encode())
        if not fits or query.get("hub.mode") != "subscribe":
            return problem(
                403,
                "handshake_refused",
                "hub.mode must be subscribe, and hub.verify_token must equal VERIFY_TOKEN",
                request_id=request_id_of(request),
            )
        return PlainTextResponse(query.get("hub.challenge", ""))

    return handshake


def _delivery(receiver: Receiver) -> Callable[[Request], Awaitable[Response]]:
    async def delivery(request: Request) -> Response:
        body = await request.body()
        await receiver.receive(body, request.headers.get("x-hub-signature-256"))
        return Response(TAKEN, media_type="application/json")

    return delivery
