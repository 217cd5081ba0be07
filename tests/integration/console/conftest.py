"""A reader of server-sent events, as a browser reads them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

DEADLINE = 15.0


@dataclass
class Told:
    """One event."""

    id: str
    kind: str
    data: dict[str, Any]


@dataclass
class Reader:
    """What was read so far; `last_id` also moves with frames that carry no data."""

    response: aiohttp.ClientResponse
    last_id: str = ""
    told: list[Told] = field(default_factory=list)
    heartbeats: int = 0

    async def event(self) -> Told | None:
        """The next event; None at the end of the stream."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(DEADLINE):
            while line := (await self.response.content.readline()).decode():
                if line == "\n":
                    self.last_id = fields.get("id", self.last_id)
                    if "data" in fields:
                        told = Told(self.last_id, fields["event"], json.loads(fields["data"]))
                        self.told.append(told)
                        return told
                    fields = {}
                    continue
                name, _, value = line.rstrip("\n").partition(": ")
                self.heartbeats += line.startswith(":")
                fields[name] = value
        return None

    async def until(self, wanted: Callable[[Told], Any]) -> Told:
        """Read on until an event is the one that is wanted."""
        while told := await self.event():
            if wanted(told):
                return told
        raise AssertionError(f"the stream ended after {self.told}")

    async def heartbeat(self) -> None:
        """Read on until the stream says that it is still there."""
        async with asyncio.timeout(DEADLINE):
            while not (await self.response.content.readline()).startswith(b":"):
                continue
            line = await self.response.content.readline()
        assert line.startswith(b"id: "), line
        self.last_id = line[4:].decode().strip()


Listen = Callable[..., Any]


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """`async with listen(url, tenant_id, after=...) as reader:`"""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:

        @asynccontextmanager
        async def connect(
            url: str, tenant_id: str, *, after: str | None = None
        ) -> AsyncIterator[Reader]:
            headers = {"Last-Event-ID": after} if after else {}
            path = f"{url}/tenants/{tenant_id}/events"
            async with session.get(path, headers=headers) as response:
                assert response.status == 200, await response.text()
                assert response.content_type == "text/event-stream"
                yield Reader(response)

        yield connect


@pytest.fixture
def hubs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every event hub that the test's processes build, in order."""
    from manyline.runtime import api

    made: list[Any] = []

    class Noted(api.EventHub):
        def __init__(self, **parts: Any) -> None:
            super().__init__(**parts)
            made.append(self)

    monkeypatch.setattr(api, "EventHub", Noted)
    return made
