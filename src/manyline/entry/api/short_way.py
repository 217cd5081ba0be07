"""The short way of a webhook: from the HTTP parser straight to the receiver.

Meta sends thousands a second over connections that it keeps, nearly each in one read. Such a one
needs no ASGI around it: 45 µs of CPU, where layers, request and response objects make it 119
(measured). All others go the ordinary way: what comes in several reads, HTTP/1.0, `Expect`, a query
string, a request whose predecessor is still being answered. Both end in `WebhookTaker`.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from manyline.entry.api.notes import RequestNotes
from manyline.entry.api.problems import internal_error
from manyline.entry.api.protocol import BoundedHeadersProtocol
from manyline.entry.api.routes.webhook import SIGNATURE_HEADER, WEBHOOK_PATH, WebhookTaker
from manyline.runtime.api import ApiRuntime

PATH = WEBHOOK_PATH.encode()
SIGNATURE = SIGNATURE_HEADER.encode()


def short_way(runtime: ApiRuntime) -> type[asyncio.Protocol]:
    """uvicorn's protocol, with the short way in it."""
    made = partial(
        ShortWayProtocol,
        taker=WebhookTaker(runtime.receiver),
        notes=RequestNotes(runtime.http_metrics),
    )
    # uvicorn says that it wants a class; all it does is to call it.
    return cast("type[asyncio.Protocol]", made)


class Delivery:
    """A webhook on the short way. To uvicorn it is the connection's current request."""

    __slots__ = ("body", "disconnected", "keep_alive", "message_event", "response_complete")

    def __init__(self) -> None:
        self.body = bytearray()
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = True
        self.message_event = _NobodyWaits


class _NobodyWaits:
    """Stands where an ASGI request has the event that its reader waits for."""

    @staticmethod
    def set() -> None:
        """Nothing waits for more of a body that is whole."""


class ShortWayProtocol(BoundedHeadersProtocol):
    """Takes a webhook that came in one read itself; leaves everything else to uvicorn."""

    def __init__(
        self, *arguments: Any, taker: WebhookTaker, notes: RequestNotes, **more: Any
    ) -> None:
        super().__init__(*arguments, **more)
        self._taker = taker
        self._notes = notes
        self._arriving: Delivery | None = None

    def data_received(self, data: bytes) -> None:
        """Bytes came; what is not whole after them goes the ordinary way."""
        super().data_received(data)
        if self._arriving is not None:
            self._go_the_ordinary_way(self._arriving)

    def on_headers_complete(self) -> None:
        """Choose the way."""
        if self._may_be_short():
            self.headers_came()
            self._arriving = Delivery()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._arriving is not None:
            self._arriving.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        delivery, self._arriving = self._arriving, None
        if delivery is None:
            super().on_message_complete()
            return
        self.cycle = delivery  # type: ignore[assignment]
        signatures = [v.decode("latin-1") for name, v in self.headers if name == SIGNATURE]
        task = self.loop.create_task(self._deliver(delivery, signatures))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _may_be_short(self) -> bool:
        parser = self.parser
        current: Any = self.cycle
        return (
            self.url == PATH
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and (current is None or current.response_complete)
        )

    def _go_the_ordinary_way(self, delivery: Delivery) -> None:
        """Start the request as uvicorn would have; its parser still stands in this request."""
        self._arriving = None
        if not self.transport.is_closing():
            super().on_headers_complete()
            if delivery.body:
                super().on_body(bytes(delivery.body))

    async def _deliver(self, delivery: Delivery, signatures: Sequence[str]) -> None:
        request_id = self._notes.begin()
        started = time.perf_counter()
        try:
            answer = await self._taker.take(bytes(delivery.body), signatures, request_id=request_id)
        except Exception as error:  # noqa: BLE001 - the outermost layer: nothing may pass it
            self._notes.broke(error)
            answer = internal_error(request_id)
        await self._answer(delivery, answer, request_id)
        status = None if delivery.disconnected else answer.status_code
        self._notes.end("POST", WEBHOOK_PATH, status, time.perf_counter() - started)

    async def _answer(self, delivery: Delivery, answer: Response, request_id: str) -> None:
        if self.flow.write_paused and not delivery.disconnected:
            await self.flow.drain()
        delivery.response_complete = True
        if delivery.disconnected or self.transport.is_closing():
            return
        headers = [*self.server_state.default_headers, *answer.raw_headers]
        headers.append((b"x-request-id", request_id.encode()))
        if not delivery.keep_alive:
            headers.append((b"connection", b"close"))
        lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        status = STATUS_LINE[answer.status_code]
        self.transport.write(b"%b%b\r\n%b" % (status, lines, bytes(answer.body)))
        if not delivery.keep_alive:
            self.transport.close()
        self.on_response_complete()
