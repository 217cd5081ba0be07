"""Requests made ready, and whoever sends them: as light as can be, so that little is measured but
those who answer.

It speaks HTTP as the product's own Graph client does: 30 µs of CPU a request.
"""

import gc
from pathlib import Path
from types import TracebackType
from typing import Self

from yarl import URL

from bench import work
from bench.work import Request
from manyline.meta.wire import Departure, Origin

CONNECT_SECONDS = 10.0


def from_file(file: Path, url: str, *, part: int = 0, parts: int = 1) -> list[bytes]:
    """Every `parts`th request of a file, ready; garbage collection looks at them no more."""
    authority = URL(url).host_port_subcomponent or ""
    ready = [_bytes(request, authority) for request in work.read(file)[part::parts]]
    gc.collect()
    gc.freeze()
    return ready


def _bytes(request: Request, authority: str) -> bytes:
    lines = [
        f"POST {request.path} HTTP/1.1",
        f"host: {authority}",
        "content-type: application/json",
    ]
    if request.header:
        lines.append(request.header)
    body = request.body.encode()
    lines.append(f"content-length: {len(body)}\r\n\r\n")
    return "\r\n".join(lines).encode() + body


class Caller:
    """Connections to one URL, for `async with`."""

    def __init__(self, url: str) -> None:
        self._origin = Origin(
            URL(url), connect_seconds=CONNECT_SECONDS, keep_alive_seconds=CONNECT_SECONDS
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._origin.close()

    async def post(self, request: bytes) -> bool:
        """Whether it was answered 200."""
        try:
            answer = await self._origin.request(request, Departure())
        except OSError:
            return False
        return answer.status == 200
