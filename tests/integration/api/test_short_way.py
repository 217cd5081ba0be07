"""Webhooks over raw connections: however one is cut, it is stored once and answered in order."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from manyline.entry.api.short_way import ShortWayProtocol
from manyline.meta.signature import sign

SECRET = "the-app-secret"
HEAD = re.compile(rb"HTTP/1.1 (\d+) .*?\r\n(.*?)\r\n\r\n", re.DOTALL)


class Client:
    """One connection, bytes as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *pieces: bytes) -> None:
        """Each piece as a read of its own."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0.02)

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """The next answer: status, headers, JSON."""
        async with asyncio.timeout(10):
            head = await self._reader.readuntil(b"\r\n\r\n")
            found = HEAD.fullmatch(head)
            assert found is not None, head
            lines = [line.decode().split(": ", 1) for line in found[2].split(b"\r\n")]
            headers = {name.lower(): value for name, value in lines}
            body = await self._reader.readexactly(int(headers["content-length"]))
        return int(found[1]), headers, json.loads(body)

    async def closed(self) -> bool:
        async with asyncio.timeout(10):
            return await self._reader.read() == b""

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
async def webhook(open_backend: Any, webhook_of: Any, text_message: Any) -> Any:
    """A signed request's bytes for a message with this wamid; and the backend that takes it."""
    backend = await open_backend(app_secret=SECRET)
    await backend.register("111111")

    def make(
        wamid: str,
        *,
        version: str = "1.1",
        path: str = "/whatsapp/webhook",
        secret: str = SECRET,
        text: str = "hi",
        **headers: str,
    ) -> bytes:
        message = {**text_message(), "id": wamid, "text": {"body": text}}
        body = json.dumps(webhook_of("111111", messages=[message])).encode()
        given: Mapping[str, str] = {
            "Host": "x",
            "X-Hub-Signature-256": sign(body, secret),
            "Content-Length": str(len(body)),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        return f"POST {path} HTTP/{version}\r\n{lines}\r\n".encode() + body

    make.backend = backend  # type: ignore[attr-defined]
    return make


@asynccontextmanager
async def connected(webhook: Any) -> AsyncIterator[Client]:
    address = urlsplit(webhook.backend.url)
    client = Client(*await asyncio.open_connection(address.hostname, address.port))
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """True for each webhook that took the short way to its end, False for each that left it."""
    ways: list[bool] = []

    def watched(name: str, *, is_short: bool) -> None:
        real: Callable[..., Any] = getattr(ShortWayProtocol, name)

        def noted(self: ShortWayProtocol, *given: Any) -> Any:
            ways.append(is_short)
            return real(self, *given)

        monkeypatch.setattr(ShortWayProtocol, name, noted)

    watched("_deliver", is_short=True)
    watched("_go_the_ordinary_way", is_short=False)
    return ways


async def wamids(database: Any) -> list[str]:
    stored = database.messages.find({"direction": "IN"}, {"waMessageId": True}).sort("seq", 1)
    return [one["waMessageId"] async for one in stored]


async def test_in_one_read(webhook: Any, short: list[bool], database: Any) -> None:
    async with connected(webhook) as client:
        for number in range(3):
            await client.send(webhook(f"wamid.{number}"))
            status, headers, body = await client.answer()
            assert (status, body) == (200, {"ok": True})
            assert headers["x-request-id"].startswith("req_")
            assert headers["content-type"] == "application/json"
            assert "connection" not in headers
    assert short == [True] * 3
    assert await wamids(database) == ["wamid.0", "wamid.1", "wamid.2"]


@pytest.mark.parametrize("cut", [5, 40, 130, 260, 300, -1])
async def test_in_two_reads(webhook: Any, short: list[bool], database: Any, cut: int) -> None:
    whole = webhook("wamid.cut")
    async with connected(webhook) as client:
        await client.send(whole[:cut], whole[cut:])
        assert (await client.answer())[0] == 200
        await client.send(webhook("wamid.next"))
        assert (await client.answer())[0] == 200
    assert short[-1] is True
    assert await wamids(database) == ["wamid.cut", "wamid.next"]


async def test_a_large_body_in_many_reads(webhook: Any, short: list[bool], database: Any) -> None:
    async with connected(webhook) as client:
        for each in (webhook("wamid.large", text="x" * 900_000), webhook("wamid.small")):
            await client.send(each)
            assert (await client.answer())[0] == 200
    assert short == [False, True]
    assert await wamids(database) == ["wamid.large", "wamid.small"]


async def test_several_in_one_read_are_answered_in_order(
    webhook: Any, short: list[bool], database: Any
) -> None:
    forged = webhook("wamid.forged", secret="another")
    many = [
        webhook("wamid.0"),
        forged,
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        webhook("wamid.3"),
    ]
    async with connected(webhook) as client:
        await client.send(b"".join(many))
        statuses = [(await client.answer())[0] for _ in many]
        assert statuses == [200, 401, 200, 200]
        await client.send(webhook("wamid.4"))
        assert (await client.answer())[0] == 200
    assert short == [True, True]
    assert await wamids(database) == ["wamid.0", "wamid.3", "wamid.4"]


async def test_a_refusal_is_a_problem_with_the_requests_id(webhook: Any, short: list[bool]) -> None:
    async with connected(webhook) as client:
        await client.send(webhook("wamid.forged", secret="another"))
        status, headers, body = await client.answer()
        assert (status, headers["content-type"]) == (401, "application/problem+json")
        assert body["request_id"] == headers["x-request-id"]
        twice = webhook("wamid.twice", x_hub_signature_256="sha256=" + "0" * 64)
        await client.send(twice)
        assert (await client.answer())[0] == 401
    assert short == [True, True]


@pytest.mark.parametrize(
    "unusual",
    [
        {"version": "1.0"},
        {"connection": "close"},
        {"path": "/whatsapp/webhook?from=meta"},
    ],
)
async def test_the_unusual_goes_the_ordinary_way(
    webhook: Any, short: list[bool], database: Any, unusual: dict[str, str]
) -> None:
    async with connected(webhook) as client:
        await client.send(webhook("wamid.unusual", **unusual))
        assert (await client.answer())[0] == 200
        if "path" not in unusual:
            assert await client.closed()
    assert short == []
    assert await wamids(database) == ["wamid.unusual"]


async def test_who_expects_a_go_ahead_gets_it(webhook: Any, short: list[bool]) -> None:
    head, _, body = webhook("wamid.expected", expect="100-continue").partition(b"\r\n\r\n")
    async with connected(webhook) as client:
        await client.send(head + b"\r\n\r\n")
        async with asyncio.timeout(10):
            assert await client._reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(body)
        assert (await client.answer())[0] == 200
    assert short == []


async def test_a_client_that_leaves_is_stored_all_the_same(
    webhook: Any, short: list[bool], database: Any
) -> None:
    async with connected(webhook) as client:
        await client.send(webhook("wamid.left"))
    async with asyncio.timeout(10):
        while await wamids(database) != ["wamid.left"]:
            await asyncio.sleep(0.01)
    assert short == [True]


async def test_what_nobody_expected_is_a_500_and_the_connection_goes_on(
    webhook: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    async def breaks(*_given: Any) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr("manyline.inbound.receive.Receiver.receive", breaks)
        async with connected(webhook) as client:
            await client.send(webhook("wamid.bug"))
            status, _, body = await client.answer()
            assert (status, body["code"]) == (500, "internal")
            patched.undo()
            await client.send(webhook("wamid.after"))
            assert (await client.answer())[0] == 200
