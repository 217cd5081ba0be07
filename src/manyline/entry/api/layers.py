"""What every request passes before its route: an id, the door, a bound on its body.

Plain ASGI, outermost first: `RequestContext`, `OperatorDoor`, `BoundedBody`.
"""

import asyncio
import hmac
import time

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from manyline.entry.api.notes import RequestNotes
from manyline.entry.api.problems import internal_error, problem
from manyline.entry.api.routes.webhook import WEBHOOK_PATH

MAX_BODY_BYTES = 3 * 1024 * 1024  # Meta's webhooks are at most 3 MB.
# A longer body is read to its end, so that the client sees the answer and no broken connection;
# past this it is cut off all the same.
MAX_READ_BYTES = 64 * 1024 * 1024
BODY_SECONDS = 30.0
EVENTS_PATH = "/tenants/{tenantId}/events"
OPEN_PATHS = frozenset({"/health", "/health/ready", WEBHOOK_PATH})


class RequestContext:
    """Gives a request its id, counts and logs it, and turns what nobody expected into a 500."""

    def __init__(self, app: ASGIApp, *, notes: RequestNotes) -> None:
        self._app = app
        self._notes = notes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["request_id"] = request_id = self._notes.begin()
        started = time.perf_counter()
        answer = _Answer(send, request_id)
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:  # noqa: BLE001 - the outermost layer: nothing may pass it
            self._notes.broke(error)
            if answer.status is None:
                await internal_error(request_id)(scope, receive, answer.send)
        finally:
            route = _route_of(scope)
            # A stream lasts as long as somebody listens; as a time to answer that says nothing.
            streamed = route == EVENTS_PATH and answer.status == 200
            seconds = None if streamed else time.perf_counter() - started
            self._notes.end(scope["method"], route, answer.status, seconds)


def _route_of(scope: Scope) -> str:
    """The route's pattern and not the path, which names ids; FastAPI notes it in the scope."""
    if scope["path"] == WEBHOOK_PATH:
        return WEBHOOK_PATH
    return getattr(scope.get("route"), "path", None) or "unmatched"


class _Answer:
    """Passes an answer on, with the request's id in a header."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._header = (b"x-request-id", request_id.encode())
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), self._header]
        await self._send(message)


class OperatorDoor:
    """Lets through whoever brings the operator's key; without a key set, everybody."""

    def __init__(self, app: ASGIApp, *, admin_api_key: str | None) -> None:
        self._app = app
        self._wanted = f"Bearer {admin_api_key}".encode() if admin_api_key else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or answer it 401."""
        if scope["type"] == "http" and not self._may_pass(scope):
            refusal = problem(
                401,
                "unauthorized",
                "this needs the operator's key: Authorization: Bearer <ADMIN_API_KEY>",
                request_id=scope.get("request_id"),
                headers={"WWW-Authenticate": "Bearer"},
            )
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        if self._wanted is None or scope["path"] in OPEN_PATHS:
            return True
        given = dict(scope["headers"]).get(b"authorization", b"")
        return hmac.compare_digest(given, self._wanted)


class BoundedBody:
    """Reads the body before the route runs: whole, at most 3 MB, within half a minute."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or answer it 413 or 408."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS", "DELETE"):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read(receive)
        except TimeoutError:
            refusal = _refusal(scope, 408, "body_too_slow", "the body did not arrive within 30 s")
            await refusal(scope, receive, send)
            return
        except ConnectionError:
            return  # Nobody is left to answer, and nothing was begun.
        if body is None:
            refusal = _refusal(scope, 413, "body_too_large", "a body may have at most 3 MB")
            await refusal(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or None when it is too long; it is read on all the same."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY_BYTES:
            parts.append(part)
        else:
            parts.clear()
        if not message.get("more_body", False) or size > MAX_READ_BYTES:
            break
    return b"".join(parts) if size <= MAX_BODY_BYTES else None


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _refusal(scope: Scope, status: int, code: str, detail: str) -> Response:
    return problem(
        status, code, detail, request_id=scope.get("request_id"), headers={"Connection": "close"}
    )
