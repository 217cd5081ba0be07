"""uvicorn's HTTP protocol with a bound on headers, which httptools itself does not have.

Headers are read before any door of ours is reached, so without a bound anybody could fill the
memory of the process, or hold connections open for ever by sending none.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES = 64 * 1024
HEADER_SECONDS = 30.0

TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedHeadersProtocol(HttpToolsProtocol):
    """Answers 431 past 64 KB of headers, and hangs up when they take longer than 30 s."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is here; its first headers have until the deadline."""
        super().connection_made(transport)
        self._header_bytes = 0
        self._in_headers = True
        self._header_deadline: asyncio.TimerHandle | None = None
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came: count them for as long as they are headers."""
        super().data_received(data)
        if self._in_headers:
            # Only headers that come in pieces need a deadline.
            self._expect_headers()
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES and not self.transport.is_closing():
                self.transport.write(TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._header_bytes = 0
        self._in_headers = True

    def on_headers_complete(self) -> None:
        """The headers are there; what follows is bounded elsewhere."""
        self.headers_came()
        super().on_headers_complete()

    def headers_came(self) -> None:
        """No more headers are waited for."""
        self._in_headers = False
        self._stop_waiting()

    def _expect_headers(self) -> None:
        if self._header_deadline is None:
            self._header_deadline = self.loop.call_later(HEADER_SECONDS, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._header_deadline is not None:
            self._header_deadline.cancel()
            self._header_deadline = None

    def _hang_up(self) -> None:
        self._header_deadline = None
        transport: Any = self.transport
        if transport is not None and not transport.is_closing():
            transport.close()
