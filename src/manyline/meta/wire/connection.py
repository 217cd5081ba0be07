"""One connection: a request out, its answer in, then perhaps the next."""

import asyncio
from dataclasses import dataclass
from typing import cast

import httptools

MOST_BYTES = 1024 * 1024
"""Of one answer, headers included. Graph's are under 10 KB."""


class BrokenAnswerError(OSError):
    """The connection ended before the whole answer was there, or what came is no answer."""


@dataclass(slots=True)
class Departure:
    """Whether any byte of a request has left; the caller keeps it, to know after a cancellation."""

    bytes_left: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; names of headers in lower case, of two alike the last."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Connection(asyncio.Protocol):
    """Carries one exchange at a time; httptools parses and calls back."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[Response] | None = None
        self._keeps_alive = True

    @property
    def usable(self) -> bool:
        """Whether another exchange may begin."""
        open_ = self._transport is not None and not self._transport.is_closing()
        return open_ and self._keeps_alive and self._answered is None

    async def exchange(self, request: bytes, departure: Departure) -> Response:
        """Send a request's bytes and wait for its whole answer.

        Raises `BrokenAnswerError`. After that or a cancellation the connection is closed: nobody
        could tell the rest of this answer from the next one.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise BrokenAnswerError("the connection was closed before the request")
        answered = self._begin()
        departure.bytes_left = True
        transport.write(request)
        try:
            return await answered
        except BaseException:
            self.close()
            raise
        finally:
            self._answered = None
            if not self._keeps_alive:
                self.close()

    def close(self) -> None:
        """Hang up; harmless when repeated."""
        if self._transport is not None:
            self._transport.abort()

    def _begin(self) -> asyncio.Future[Response]:
        self._parser = httptools.HttpResponseParser(self)
        self._received = 0
        self._headers: dict[bytes, bytes] = {}
        self._headers_complete = False
        self._body = bytearray()
        self._answered = asyncio.get_running_loop().create_future()
        return self._answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed: an answer that names no length ends here, any other is broken."""
        self._transport = None
        if self._answered is None:
            return
        lengths = self._headers.keys() & {b"content-length", b"transfer-encoding"}
        if exc is None and self._headers_complete and not lengths:
            self._complete()
        else:
            self._break("the connection ended before the whole answer was there")

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer; when none is waited for, the connection is of no more use."""
        if self._answered is None or self._answered.done():
            self.close()
            return
        self._received += len(data)
        if self._received > MOST_BYTES:
            self._break(f"the answer is longer than {MOST_BYTES} bytes")
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._break("what came is no HTTP answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """For httptools."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """For httptools."""
        self._headers_complete = True

    def on_body(self, body: bytes) -> None:
        """For httptools."""
        self._body += body

    def on_message_complete(self) -> None:
        """For httptools; a 1xx goes before the answer and says nothing."""
        if self._parser.get_status_code() >= 200:
            self._keeps_alive = self._parser.should_keep_alive()
            self._complete()
        self._headers, self._headers_complete = {}, False

    def _complete(self) -> None:
        if self._answered is not None and not self._answered.done():
            status = self._parser.get_status_code()
            self._answered.set_result(Response(status, self._headers, bytes(self._body)))

    def _break(self, reason: str) -> None:
        self._keeps_alive = False
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(BrokenAnswerError(reason))
