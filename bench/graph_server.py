"""A Graph API that costs next to nothing: every POST is answered with a wamid of its own.

It judges nothing and sends no statuses, so what is measured is ours. `GET /` tells how many POSTs
it has answered and when the last one came, by `time.monotonic`.

    python -m bench.graph_server PORT
"""

import asyncio
import json
import secrets
import sys
import time
from typing import cast

import httptools
import uvloop

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
ANSWER = (
    b'{"messaging_product":"whatsapp","contacts":[{"input":"1"}],'
    b'"messages":[{"id":"wamid.%b%016x"}]}'
)


class Tally:
    """What came so far."""

    def __init__(self) -> None:
        self.series = secrets.token_hex(8).encode()
        self.posts = 0
        self.last_at = 0.0


class Connection(asyncio.Protocol):
    """One caller's; httptools parses and calls back."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """A request or a part of one."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """For httptools."""
        if self._parser.get_method() == b"POST":
            self._tally.posts += 1
            self._tally.last_at = time.monotonic()
            body = ANSWER % (self._tally.series, self._tally.posts)
        else:
            told = {"posts": self._tally.posts, "last_at": self._tally.last_at}
            body = json.dumps(told).encode()
        self._transport.write(HEAD % (len(body), body))


async def _serve(port: int) -> None:
    tally = Tally()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(tally), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
