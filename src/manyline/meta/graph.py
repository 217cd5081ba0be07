"""The Graph client: one request, and an honest account of what became of it.

The Cloud API takes no idempotency key, so the one question that matters after trouble is
whether any byte of the request left this machine. aiohttp's tracing answers it: until the
headers were written, nothing left.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from manyline.meta.answers import (
    Accepted,
    Answer,
    NotSent,
    NumberAnswer,
    NumberSeen,
    Refused,
    Unknown,
    read_answer,
    read_number_answer,
)
from manyline.meta.credentials import Credentials, credentials
from manyline.meta.usage import USAGE_HEADER, Usage, read_usage

__all__ = [
    "Accepted",
    "Answer",
    "Credentials",
    "Departure",
    "GraphClient",
    "NotSent",
    "NumberAnswer",
    "NumberSeen",
    "Refused",
    "Unknown",
    "Usage",
    "credentials",
    "read_answer",
]

# Under Meta's own idle time-out, so that we close idle connections first: a request written to a
# connection that the other side just closed would be in doubt for nothing.
KEEP_ALIVE_SECONDS = 15.0
# Name look-up, TCP and TLS together, over all addresses of the host.
CONNECT_SECONDS = 5.0
# As many numbers as one worker may serve; an entry is some 500 bytes.
CACHED_URLS = 20_000
NUMBER_FIELDS = "id,display_phone_number,verified_name,quality_rating"

_UNSENDABLE = NotSent("the access token holds characters that no HTTP header can carry")
_TROUBLE = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


@dataclass(slots=True)
class Departure:
    """Whether any byte of a request has left; the caller keeps it, to know after a cancellation."""

    bytes_left: bool = False


class GraphClient:
    """Calls Graph for any number; credentials are arguments, tenants are unknown here.

    Make it inside a running event loop; `close` gives its connections back.
    """

    def __init__(self, *, base_url: str, version: str, deadline_seconds: float) -> None:
        self._root = URL(f"{base_url}/{version}")
        self._message_urls: dict[tuple[str, str | None], URL] = {}
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_note_bytes_left)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
            timeout=aiohttp.ClientTimeout(total=deadline_seconds, connect=CONNECT_SECONDS),
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
        credentials: Credentials,
        request: dict[str, Any],
        departure: Departure,
    ) -> Answer:
        """`POST /{phoneNumberId}/messages`, once; raises nothing but cancellation."""
        if not credentials.token.isprintable():
            return _UNSENDABLE
        try:
            async with self._session.post(
                self._messages_url(phone_number_id, credentials.proof),
                data=msgspec.json.encode(request),
                headers={
                    "Authorization": f"Bearer {credentials.token}",
                    "Content-Type": "application/json",
                },
                allow_redirects=False,
                trace_request_ctx=departure,
            ) as response:
                body = await response.read()
                return read_answer(response.status, body, _usage(response), token=credentials.token)
        except _TROUBLE as error:
            reason = type(error).__name__
            return Unknown(reason) if departure.bytes_left else NotSent(reason)

    async def read_number(self, *, phone_number_id: str, credentials: Credentials) -> NumberAnswer:
        """`GET /{phoneNumberId}`: may this token use the number? Raises only cancellation."""
        if not credentials.token.isprintable():
            return _UNSENDABLE
        departure = Departure()
        try:
            async with self._session.get(
                _with_proof(self._root / phone_number_id, credentials.proof).update_query(
                    fields=NUMBER_FIELDS
                ),
                headers={"Authorization": f"Bearer {credentials.token}"},
                allow_redirects=False,
                trace_request_ctx=departure,
            ) as response:
                return read_number_answer(
                    response.status,
                    await response.read(),
                    phone_number_id=phone_number_id,
                    usage=_usage(response),
                    token=credentials.token,
                )
        except _TROUBLE as error:
            reason = type(error).__name__
            return Unknown(reason) if departure.bytes_left else NotSent(reason)

    def _messages_url(self, phone_number_id: str, proof: str | None) -> URL:
        """Parsed once per number and proof: that costs more than looking it up."""
        key = (phone_number_id, proof)
        url = self._message_urls.get(key)
        if url is None:
            url = _with_proof(self._root / phone_number_id / "messages", proof)
            if len(self._message_urls) >= CACHED_URLS:
                del self._message_urls[next(iter(self._message_urls))]
            self._message_urls[key] = url
        return url


def _with_proof(url: URL, proof: str | None) -> URL:
    return url if proof is None else url.with_query(appsecret_proof=proof)


def _usage(response: aiohttp.ClientResponse) -> Usage | None:
    header = response.headers.get(USAGE_HEADER)
    return None if header is None else read_usage(header)


async def _note_bytes_left(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _params: aiohttp.TraceRequestHeadersSentParams,
) -> None:
    departure: Departure = context.trace_request_ctx
    departure.bytes_left = True
