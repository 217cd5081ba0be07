"""The address a simulator listens on, and times at which nobody answers there.

While it refuses, connecting fails at once (ECONNREFUSED) and connections that were idle are
closed; calls under way end as they would have. The port stays taken by a socket that does not
listen: otherwise another process could get it, or a caller's own socket, which then would connect
to itself.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

_BACKLOG = 1024
_PATIENCE = 5.0
"""Seconds; closing a socket takes one turn of the event loop."""
_NOTICE = 0.05
"""Seconds that callers get to notice that their idle connections are closed: one who writes on
such a connection sees it lost, not refused."""


class Listener:
    """Opens, refuses and reopens; one for each simulator that was started."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner
        self._kept: list[socket.socket] = []
        self._refusals = 0
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, host: str, port: int) -> int:
        """Listen; the port, of use when `port` is 0. Raises `OSError` when it cannot be had."""
        site = web.TCPSite(self._runner, host, port, backlog=_BACKLOG)
        await site.start()
        return site.port

    async def refuse_for(self, seconds: float) -> None:
        """Refuse from now on, and for so many seconds without anybody waiting for it.

        Of several refusals at a time the last to end counts.
        """
        await self._refuse()
        self._in_background(self._relent_after(seconds))

    @asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """Refuse inside the block."""
        await self._refuse()
        try:
            yield
        finally:
            await self._relent()

    async def say_last(self, _request: web.Request, response: web.StreamResponse) -> None:
        """An application's `on_response_prepare`: no caller may count on a next request now."""
        if self._refusals:
            response.headers["Connection"] = "close"  # the other headers stand by now
            response.force_close()

    async def close(self) -> None:
        """Give the port back; the runner closes what listens."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for kept in self._kept:
            kept.close()
        self._kept = []

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _refuse(self) -> None:
        async with self._turn:
            self._refusals += 1
            if self._refusals == 1:
                await self._shut()

    async def _relent_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._relent()

    async def _relent(self) -> None:
        async with self._turn:
            self._refusals -= 1
            if self._refusals == 0:
                await self._reopen()

    async def _shut(self) -> None:
        addresses = self._runner.addresses
        for site in self._runner.sites:
            await site.stop()
        for address in addresses:
            self._kept.append(await _keep(address))
        server = self._runner.server
        if server is None:
            return
        server.pre_shutdown()  # idle connections take no more requests, the others no second one
        for connection in server.connections:
            # Closes it when the call under way is answered, however long that takes.
            self._in_background(connection.shutdown(timeout=None))
        await asyncio.sleep(_NOTICE)

    async def _reopen(self) -> None:
        kept, self._kept = self._kept, []
        for one in kept:
            await web.SockSite(self._runner, one, backlog=_BACKLOG).start()


async def _keep(address: Any) -> socket.socket:
    """A socket bound to `address` that does not listen."""
    family = socket.AF_INET6 if len(address) == 4 else socket.AF_INET
    kept = socket.socket(family, socket.SOCK_STREAM)
    kept.setblocking(False)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        kept.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        async with asyncio.timeout(_PATIENCE):
            await _bind(kept, address)
    except BaseException:
        kept.close()
        raise
    return kept


async def _bind(kept: socket.socket, address: Any) -> None:
    """Bind as soon as the socket that listened there is closed."""
    while True:
        try:
            kept.bind(address)
        except OSError:
            await asyncio.sleep(0)
        else:
            return
