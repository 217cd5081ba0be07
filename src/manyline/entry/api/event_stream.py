"""Server-sent events over ASGI: one answer that lasts until its reader or its listener is gone.

Written here and not taken from a library: what matters is who ends the stream and when (the reader
goes, the listener falls behind, the process stops), and that is these few lines.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from manyline.base.errors import StoreUnavailableError
from manyline.entry.api.shown import Shown, show_tenant
from manyline.entry.api.shown_messages import show_message, show_status
from manyline.events.hub import EventHub
from manyline.events.listener import Listener
from manyline.events.models import Event, MessageEvent, PositionLostError, StatusEvent

HEARTBEAT_SECONDS = 15.0
"""Shorter than the minute after which proxies take a silent connection for dead."""
RETRY_MS = 2_000
SEND_SECONDS = 10.0
"""A reader that takes nothing for so long is cut off: it may come again."""
LAST_WORDS_SECONDS = 1.0
"""How long an ended listener's reader may take for what was written already."""


class EventStream(Response):
    """`text/event-stream` of one listener; each event's `id` is where to go on from."""

    media_type = "text/event-stream"

    def __init__(self, hub: EventHub, listener: Listener) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        # An answer without an end has no length.
        self.raw_headers = [one for one in self.raw_headers if one[0] != b"content-length"]
        self._hub = hub
        self._listener = listener

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Write until there is nobody to write to, or nothing more to write."""
        writing = asyncio.create_task(self._write(send))
        gone = asyncio.create_task(_disconnected(receive))
        ended = asyncio.create_task(self._listener.ended.wait())
        try:
            await asyncio.wait({writing, gone, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not gone.done():
                # A reader that stopped reading blocks the writer for good: it is cut off.
                await asyncio.wait({writing}, timeout=LAST_WORDS_SECONDS)
            if writing.done():
                await writing
        finally:
            self._hub.leave(self._listener)
            for task in (writing, gone, ended):
                task.cancel()
            await asyncio.gather(writing, gone, ended, return_exceptions=True)

    async def _write(self, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        async with aclosing(self._frames()) as frames:
            async for frame in frames:
                try:
                    async with asyncio.timeout(SEND_SECONDS):
                        await send({"type": "http.response.body", "body": frame, "more_body": True})
                except TimeoutError:
                    return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _frames(self) -> AsyncGenerator[bytes]:
        listener = self._listener
        yield f"retry: {RETRY_MS}\n{_id(listener)}\n".encode()
        try:
            async with aclosing(self._missed()) as frames:
                async for frame in frames:
                    yield frame
        except StoreUnavailableError:
            return  # The reader comes again, from where it stands.
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    event_or_end = await listener.next()
            except TimeoutError:
                yield _heartbeat(_id(listener))
                continue
            if event_or_end is None:
                return
            yield frame_of(event_or_end)

    async def _missed(self) -> AsyncGenerator[bytes]:
        """Chunk by chunk until the listener is live, with heartbeats while one is awaited."""
        listener = self._listener
        while not listener.is_live:
            chunk = asyncio.create_task(self._hub.replay(listener))
            try:
                while not (await asyncio.wait({chunk}, timeout=HEARTBEAT_SECONDS))[0]:
                    # Without an id: the position is ahead of what was written.
                    yield _heartbeat()
                for event in await chunk:
                    yield frame_of(event)
            except PositionLostError as error:
                yield _frame(listener.position, "reset", json.dumps({"detail": error.detail}))
            finally:
                chunk.cancel()
            if not listener.is_live:
                yield _heartbeat(_id(listener))


def _heartbeat(position: str = "") -> bytes:
    """An id without data is remembered by the reader and shown to nobody."""
    return f": still here\n{position}\n".encode()


def _id(listener: Listener) -> str:
    return f"id: {listener.position}\n"


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def frame_of(event: Event) -> bytes:
    """An event as it is sent: its position as `id`, its kind, its data as JSON on one line."""
    if isinstance(event, MessageEvent):
        return _frame(event.position, "message", _json(show_message(event.message)))
    if isinstance(event, StatusEvent):
        return _frame(event.position, "status", _json(show_status(event.message, event.status)))
    return _frame(event.position, "tenant", _json(show_tenant(event.tenant)))


def _json(shown: Shown) -> str:
    return shown.model_dump_json(by_alias=True)


def _frame(position: str, kind: str, data: str) -> bytes:
    return f"id: {position}\nevent: {kind}\ndata: {data}\n\n".encode()
