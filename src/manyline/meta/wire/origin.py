"""Connections to one host, kept for the next request."""

import asyncio
import socket
import ssl
import time
from collections import deque
from typing import Any

from aiohappyeyeballs import start_connection
from yarl import URL

from manyline.meta.wire.connection import BrokenAnswerError, Connection, Departure, Response

# How long the answer of a name server is taken for true.
ADDRESSES_SECONDS = 10.0
# RFC 8305: the head start of an address before the next is tried beside it.
HEAD_START_SECONDS = 0.25

Addresses = list[tuple[Any, ...]]
"""As `getaddrinfo` gives them."""


class Origin:
    """A scheme, a host and a port, and the connections to it; as many as there are requests.

    `keep_alive_seconds`: how long one may lie idle and be used again. Under the other side's own
    time, so that no request is written to a connection which that side just closed.
    """

    def __init__(self, url: URL, *, connect_seconds: float, keep_alive_seconds: float) -> None:
        self._host = url.raw_host or ""
        self._port = url.port or 443
        self._tls = ssl.create_default_context() if url.scheme == "https" else None
        self._connect_seconds = connect_seconds
        self._keep_alive_seconds = keep_alive_seconds
        self._idle: deque[Connection] = deque()
        self._busy: set[Connection] = set()
        self._addresses: Addresses = []
        self._resolved_at = float("-inf")

    async def request(self, request: bytes, departure: Departure) -> Response:
        """One exchange, never repeated.

        Raises `OSError` (`BrokenAnswerError`, refused, not resolved, TLS) and `TimeoutError` when
        connecting takes too long; `departure` tells whether any byte had left by then.
        """
        connection = self._rested() or await self._connect()
        self._busy.add(connection)
        try:
            response = await connection.exchange(request, departure)
        finally:
            self._busy.discard(connection)
        if connection.usable:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        return response

    def close(self) -> None:
        """Hang up everywhere; who still waits for an answer gets `BrokenAnswerError`."""
        for connection in (*self._idle, *self._busy):
            connection.close()
        self._idle.clear()

    def _rested(self) -> Connection | None:
        """The connection used last; those that have lain too long are closed."""
        oldest = time.monotonic() - self._keep_alive_seconds
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().close()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._connect_seconds):
            reached = await start_connection(
                await self._resolve(), happy_eyeballs_delay=HEAD_START_SECONDS, interleave=1
            )
            reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            name = self._host if self._tls else None
            try:
                _, connection = await loop.create_connection(
                    Connection, sock=reached, ssl=self._tls, server_hostname=name
                )
            except BaseException:
                reached.close()
                raise
        return connection

    async def _resolve(self) -> Addresses:
        if time.monotonic() - self._resolved_at > ADDRESSES_SECONDS:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            if not found:
                raise BrokenAnswerError("the host has no address")
            self._addresses, self._resolved_at = list(found), time.monotonic()
        return self._addresses
