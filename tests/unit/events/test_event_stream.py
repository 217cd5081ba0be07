"""What is written to a reader that catches up, waits for its turn, or takes nothing."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId

from manyline.entry.api import event_stream
from manyline.entry.api.event_stream import EventStream
from manyline.events.listener import Listener
from manyline.events.models import Event, PositionLostError, TenantEvent
from manyline.tenants.models import Tenant


class Hub:
    """Answers chunks; one that is not there yet is waited for."""

    def __init__(self) -> None:
        self.chunks: asyncio.Queue[tuple[str, list[Event], bool] | Exception] = asyncio.Queue()
        self.left: list[Listener] = []

    async def replay(self, listener: Listener) -> list[Event]:
        chunk = await self.chunks.get()
        if isinstance(chunk, Exception):
            listener.caught_up("90")
            raise chunk
        position, events, last = chunk
        listener.position = position
        if last:
            listener.caught_up(position)
        return events

    def leave(self, listener: Listener) -> None:
        listener.end()
        self.left.append(listener)


class Reader:
    """Takes frames until it is told to be deaf, and never goes by itself."""

    def __init__(self) -> None:
        self.taken: asyncio.Queue[str] = asyncio.Queue()
        self.hears = asyncio.Event()
        self.hears.set()

    async def receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(self, message: dict[str, Any]) -> None:
        await self.hears.wait()
        self.taken.put_nowait(message.get("body", b"").decode())

    async def frame(self, beginning: str) -> str:
        async with asyncio.timeout(5):
            while not (frame := await self.taken.get()).startswith(beginning):
                continue
        return frame


@pytest.fixture
def event(make_tenant: Callable[..., Tenant]) -> Callable[[str], TenantEvent]:
    tenant = make_tenant()
    return lambda position: TenantEvent(position, tenant)


def stream_of(hub: Hub, reader: Reader, listener: Listener) -> asyncio.Task[None]:
    any_hub: Any = hub
    send: Any = reader.send
    stream = EventStream(any_hub, listener)
    return asyncio.create_task(stream({"type": "http"}, reader.receive, send))


async def end(listener: Listener, stream: asyncio.Task[None]) -> None:
    listener.end()
    async with asyncio.timeout(5):
        await stream


async def test_who_waits_for_its_turn_hears_that_the_stream_is_there(
    event: Callable[[str], TenantEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.01)
    hub, reader, listener = Hub(), Reader(), Listener(ObjectId(), after="01")
    stream = stream_of(hub, reader, listener)
    for _ in range(3):
        assert "id: " not in await reader.frame(": still here")
    hub.chunks.put_nowait(("07", [event("02")], False))
    await reader.frame("id: 02")
    # All of the chunk was written: its end is where to go on from, and the next is waited for.
    while "id: 07" not in await reader.frame(": still here"):
        continue
    assert "id: " not in await reader.frame(": still here")
    hub.chunks.put_nowait(("09", [event("08")], True))
    await reader.frame("id: 08")
    listener.offer(event("10"))
    await reader.frame("id: 10")
    await end(listener, stream)


async def test_after_a_reset_the_stream_goes_on(event: Callable[[str], TenantEvent]) -> None:
    hub, reader, listener = Hub(), Reader(), Listener(ObjectId(), after="99")
    hub.chunks.put_nowait(PositionLostError("read the lists anew"))
    stream = stream_of(hub, reader, listener)
    assert "event: reset" in await reader.frame("id: 90")
    listener.offer(event("91"))
    await reader.frame("id: 91")
    await end(listener, stream)


async def test_a_reader_that_takes_nothing_is_cut_off(
    event: Callable[[str], TenantEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before 500 events wait for it; also while it catches up."""
    monkeypatch.setattr(event_stream, "SEND_SECONDS", 0.05)
    hub, reader, listener = Hub(), Reader(), Listener(ObjectId(), after="01")
    stream = stream_of(hub, reader, listener)
    await reader.frame("retry: ")
    reader.hears.clear()
    hub.chunks.put_nowait(("07", [event("02"), event("03")], False))
    async with asyncio.timeout(5):
        await stream
    assert hub.left == [listener]
    assert not listener.too_slow
