"""The Graph client: one request, and an honest account of what became of it.

The Cloud API takes no idempotency key, so the one question that matters after trouble is
whether any byte of the request left this machine; see `wire`.
"""

import asyncio
from typing import Any

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
from manyline.meta.wire import Departure, Origin, Response

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
CACHED_HEADS = 20_000
NUMBER_FIELDS = "id,display_phone_number,verified_name,quality_rating"

_UNSENDABLE = NotSent("the access token holds characters that no HTTP header can carry")
_TROUBLE = (TimeoutError, OSError, ValueError)
_USAGE = USAGE_HEADER.lower().encode()


class GraphClient:
    """Calls Graph for any number; credentials are arguments, tenants are unknown here.

    `close` gives its connections back.
    """

    def __init__(self, *, base_url: str, version: str, deadline_seconds: float) -> None:
        self._root = URL(f"{base_url}/{version}")
        self._deadline_seconds = deadline_seconds
        self._heads: dict[tuple[str, str | None], bytes] = {}
        self._origin = Origin(
            self._root, connect_seconds=CONNECT_SECONDS, keep_alive_seconds=KEEP_ALIVE_SECONDS
        )

    async def close(self) -> None:
        """Close every connection."""
        self._origin.close()

    async def send_message(
        self,
        *,
        phone_number_id: str,
        credentials: Credentials,
        request: dict[str, Any],
        departure: Departure,
    ) -> Answer:
        """`POST /{phoneNumberId}/messages`, once; raises nothing but cancellation."""
        head = self._messages_head(phone_number_id, credentials.proof)
        asked = await self._ask(head, credentials, departure, msgspec.json.encode(request))
        if not isinstance(asked, Response):
            return asked
        return read_answer(asked.status, asked.body, _usage(asked), token=credentials.token)

    async def read_number(self, *, phone_number_id: str, credentials: Credentials) -> NumberAnswer:
        """`GET /{phoneNumberId}`: may this token use the number? Raises only cancellation."""
        url = _with_proof(self._root / phone_number_id, credentials.proof)
        head = _head("GET", url.update_query(fields=NUMBER_FIELDS))
        asked = await self._ask(head, credentials, Departure())
        if not isinstance(asked, Response):
            return asked
        return read_number_answer(
            asked.status,
            asked.body,
            phone_number_id=phone_number_id,
            usage=_usage(asked),
            token=credentials.token,
        )

    async def _ask(
        self, head: bytes, credentials: Credentials, departure: Departure, body: bytes = b""
    ) -> Response | NotSent | Unknown:
        """The whole answer, or what is known of a request that got none."""
        if not credentials.token.isprintable():
            return _UNSENDABLE
        request = b"%bauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b"
        try:
            filled = request % (head, credentials.token.encode(), len(body), body)
            async with asyncio.timeout(self._deadline_seconds):
                return await self._origin.request(filled, departure)
        except _TROUBLE as error:
            reason = type(error).__name__
            return Unknown(reason) if departure.bytes_left else NotSent(reason)

    def _messages_head(self, phone_number_id: str, proof: str | None) -> bytes:
        """Made once per number and proof: that costs more than looking it up."""
        key = (phone_number_id, proof)
        head = self._heads.get(key)
        if head is None:
            head = _head("POST", _with_proof(self._root / phone_number_id / "messages", proof))
            if len(self._heads) >= CACHED_HEADS:
                del self._heads[next(iter(self._heads))]
            self._heads[key] = head
        return head


def _head(method: str, url: URL) -> bytes:
    """A request's first lines, up to those that differ from one request to the next."""
    lines = (
        f"{method} {url.raw_path_qs} HTTP/1.1",
        f"host: {url.host_port_subcomponent}",
        "accept: application/json",
        "content-type: application/json",
        "user-agent: manyline",
    )
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _with_proof(url: URL, proof: str | None) -> URL:
    return url if proof is None else url.with_query(appsecret_proof=proof)


def _usage(response: Response) -> Usage | None:
    header = response.headers.get(_USAGE)
    return None if header is None else read_usage(header.decode("latin-1"))
