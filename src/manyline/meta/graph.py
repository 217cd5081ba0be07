"""The Graph client: one POST, and an honest account of what became of it.

The Cloud API takes no idempotency key, so the one question that matters after trouble is
whether any byte of the request left this machine. aiohttp's tracing answers it: until the
headers were written, nothing left.
"""

import json
import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec

from manyline.meta.errors import GraphError, graph_error

# Under Meta's own idle time-out, so that we close idle connections first: a request written to a
# connection that the other side just closed would be in doubt for nothing.
KEEP_ALIVE_SECONDS = 15.0
CONNECT_SECONDS = 5.0
_USABLE_ID = re.compile(r"[\x21-\x7e]{1,512}")


@dataclass(frozen=True, slots=True)
class Accepted:
    """Graph took the message: its wamid, and the recipient's WhatsApp id when it told."""

    wamid: str
    wa_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Graph answered with an error: it did not take the message."""

    error: GraphError


@dataclass(frozen=True, slots=True)
class NotSent:
    """No byte of the request left this machine; Graph cannot have taken it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Bytes left and no answer tells what became of them: Graph may have taken the message."""

    reason: str


Answer = Accepted | Refused | NotSent | Unknown


@dataclass(slots=True)
class Departure:
    """Whether any byte of a request has left; the caller keeps it, to know after a cancellation."""

    bytes_left: bool = False


class GraphClient:
    """Sends messages for any number; the token is an argument, tenants are unknown here.

    Make it inside a running event loop; `close` gives its connections back.
    """

    def __init__(self, *, base_url: str, version: str, deadline_seconds: float) -> None:
        self._root = f"{base_url}/{version}"
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_note_bytes_left)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
            timeout=aiohttp.ClientTimeout(total=deadline_seconds, sock_connect=CONNECT_SECONDS),
            trace_configs=[trace],
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def send_message(
        self,
        *,
        phone_number_id: str,
        token: str,
        request: dict[str, Any],
        departure: Departure,
    ) -> Answer:
        """`POST /{phoneNumberId}/messages`, once; raises nothing but cancellation."""
        try:
            async with self._session.post(
                f"{self._root}/{phone_number_id}/messages",
                data=msgspec.json.encode(request),
                headers={
                    "Authorization": f"Bearer {token}",
                    "Content-Type": "application/json",
                },
                allow_redirects=False,
                trace_request_ctx=departure,
            ) as response:
                return read_answer(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            reason = type(error).__name__
            return Unknown(reason) if departure.bytes_left else NotSent(reason)


async def _note_bytes_left(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _params: aiohttp.TraceRequestHeadersSentParams,
) -> None:
    departure: Departure = context.trace_request_ctx
    departure.bytes_left = True


def read_answer(status: int, body: bytes) -> Answer:
    """What an HTTP answer means: a message id, a Graph error, or nothing we can rely on.

    A 5xx without a Graph error body comes from something between us and Graph, which may or may
    not have passed the request on; so does a 2xx without a message id. A 3xx or 4xx without one
    was refused before Graph took anything.
    """
    answer = _json_object(body)
    if 200 <= status < 300:
        wamid = _first(answer.get("messages"), "id")
        if wamid is not None:
            return Accepted(wamid=wamid, wa_id=_first(answer.get("contacts"), "wa_id"))
        return Unknown(f"HTTP {status} without a message id")
    error = graph_error(status, answer.get("error"))
    if error is not None:
        return Refused(error)
    if status >= 500:
        return Unknown(f"HTTP {status} without a Graph error")
    return Refused(GraphError(status=status, code=0, title=f"HTTP {status} without a Graph error"))


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _first(items: object, key: str) -> str | None:
    if isinstance(items, list) and items and isinstance(items[0], dict):
        value = items[0].get(key)
        return value if isinstance(value, str) and _USABLE_ID.fullmatch(value) else None
    return None
