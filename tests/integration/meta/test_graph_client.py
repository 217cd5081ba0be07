"""The Graph client against a real server: what it sends, and what it makes of trouble."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from graphsim.settings import Settings
from graphsim.simulator import Simulator
from manyline.meta import graph as graph_module
from manyline.meta.graph import (
    Accepted,
    Answer,
    Credentials,
    Departure,
    GraphClient,
    NotSent,
    NumberSeen,
    Refused,
    Unknown,
    Usage,
    credentials,
)
from manyline.meta.payloads import send_request, text_content

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TAKEN = {"messages": [{"id": "wamid.1"}], "contacts": [{"wa_id": "15550100"}]}
REQUEST = send_request(to="+15550100", content=text_content("hello"), message_id="m1")
WITH_PROOF = credentials("EAAG-token", "app-secret")
WITHOUT = credentials("EAAG-token", None)
USAGE = (
    '{"1": [{"type": "whatsapp", "call_count": 95, "total_cputime": 2, "total_time": 3,'
    ' "estimated_time_to_regain_access": 11}]}'
)


class Graph:
    """A server whose next answers the test chooses; keeps every request."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[web.Request] = []
        self.bodies: list[Any] = []
        self.answer: Handler = self.takes

    async def takes(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(TAKEN)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.json() if request.can_read_body else None)
        return await self.answer(request)


@pytest.fixture
def unused_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture
async def graph() -> AsyncIterator[Graph]:
    graph = Graph()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", graph.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    graph.url = f"http://127.0.0.1:{site.port}"
    yield graph
    await runner.cleanup()


@asynccontextmanager
async def client_of(url: str, *, deadline: float = 5.0) -> AsyncIterator[GraphClient]:
    client = GraphClient(base_url=url, version="v26.0", deadline_seconds=deadline)
    try:
        yield client
    finally:
        await client.close()


async def sent(
    client: GraphClient, *, number: str = "111", departure: Departure | None = None, **more: Any
) -> Answer:
    return await client.send_message(
        phone_number_id=number,
        credentials=more.get("credentials", WITHOUT),
        request=REQUEST,
        departure=departure or Departure(),
    )


def answering(status: int, body: str = "", **headers: str) -> Handler:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body, headers=headers)

    return answer


async def test_a_call_carries_the_token_and_the_proof(graph: Graph) -> None:
    async with client_of(graph.url) as client:
        assert await sent(client, credentials=WITH_PROOF) == Accepted("wamid.1", "15550100")
        assert await sent(client, credentials=WITHOUT) == Accepted("wamid.1", "15550100")
    first, second = graph.requests
    assert (first.method, first.path) == ("POST", "/v26.0/111/messages")
    assert dict(first.query) == {"appsecret_proof": WITH_PROOF.proof}
    assert first.headers["Authorization"] == "Bearer EAAG-token"
    assert first.content_type == "application/json"
    assert (second.path_qs, graph.bodies[1]) == ("/v26.0/111/messages", REQUEST)


async def test_another_proof_or_number_is_another_address(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where fewer addresses are remembered than there are."""
    monkeypatch.setattr(graph_module, "CACHED_HEADS", 1)
    renewed = credentials("EAAG-new", "app-secret")
    async with client_of(graph.url) as client:
        for number, shown in [("111", WITH_PROOF), ("111", renewed), ("222", WITH_PROOF)] * 2:
            await sent(client, number=number, credentials=shown)
    assert [(one.path.split("/")[2], one.query["appsecret_proof"]) for one in graph.requests] == [
        ("111", WITH_PROOF.proof),
        ("111", renewed.proof),
        ("222", WITH_PROOF.proof),
    ] * 2


async def test_usage_comes_with_what_was_taken_and_what_was_refused(graph: Graph) -> None:
    told = {"X-Business-Use-Case-Usage": USAGE}
    body = '{"error": {"code": 80007, "message": "Rate limit issues"}}'
    usage = Usage(percent=95, regain_after=timedelta(minutes=11))
    async with client_of(graph.url) as client:
        graph.answer = answering(429, body, **told)
        refused = await sent(client)
        graph.answer = answering(200, '{"messages": [{"id": "wamid.1"}]}', **told)
        accepted = await sent(client)
        graph.answer = answering(200, '{"messages": [{"id": "wamid.2"}]}', **{**told, **_BROKEN})
        without = await sent(client)
    assert isinstance(refused, Refused)
    assert (refused.error.code, refused.usage) == (80007, usage)
    assert accepted == Accepted("wamid.1", usage=usage)
    assert without == Accepted("wamid.2")


_BROKEN = {"X-Business-Use-Case-Usage": '{"1": [{"call_count":'}


@pytest.mark.parametrize("status", [301, 302, 307, 308, 403, 404, 413])
async def test_what_something_on_the_way_turned_away_was_not_sent(
    graph: Graph, status: int
) -> None:
    graph.answer = answering(status, "<html>no</html>", Location="/elsewhere")
    async with client_of(graph.url) as client:
        assert isinstance(await sent(client), NotSent)
    assert len(graph.requests) == 1


async def test_a_bad_gateway_may_have_passed_it_on(graph: Graph) -> None:
    graph.answer = answering(502, "<html>Bad Gateway</html>")
    async with client_of(graph.url) as client:
        assert isinstance(await sent(client), Unknown)


async def test_nobody_listens_so_nothing_was_sent(unused_port: int) -> None:
    departure = Departure()
    async with client_of(f"http://127.0.0.1:{unused_port}") as client:
        assert isinstance(await sent(client, departure=departure), NotSent)
    assert not departure.bytes_left


async def test_a_server_that_never_shakes_hands_costs_the_time_to_connect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TCP connects, TLS does not: no byte of a request left, long before the whole deadline."""
    monkeypatch.setattr(graph_module, "CONNECT_SECONDS", 0.1)
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _reader, writer: held.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    started, departure = time.monotonic(), Departure()
    async with client_of(f"https://127.0.0.1:{port}", deadline=10) as client:
        answer = await sent(client, departure=departure)
    assert isinstance(answer, NotSent)
    assert not departure.bytes_left
    assert time.monotonic() - started < 3
    for writer in held:
        writer.close()
    server.close()
    await server.wait_closed()


async def test_silence_after_the_request_is_cut_off_at_the_deadline(graph: Graph) -> None:
    never = asyncio.Event()

    async def silent(_request: web.Request) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    graph.answer = silent
    departure = Departure()
    async with client_of(graph.url, deadline=0.6) as client:
        answer = await sent(client, departure=departure)
    assert answer == Unknown("TimeoutError")
    assert departure.bytes_left


async def test_a_connection_that_breaks_after_the_request_leaves_doubt(graph: Graph) -> None:
    async def breaks(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    graph.answer = breaks
    departure = Departure()
    async with client_of(graph.url) as client:
        assert isinstance(await sent(client, departure=departure), Unknown)
    assert departure.bytes_left
    assert len(graph.requests) == 1


@pytest.mark.parametrize("token", ["EAAG\r\nHost: x", "EAAG\n", "EAAG\x00", "EAAG\ud800"])
async def test_a_token_that_no_header_can_hold_leaves_no_doubt(graph: Graph, token: str) -> None:
    shown = Credentials(token)
    async with client_of(graph.url) as client:
        answer = await sent(client, credentials=shown)
        seen = await client.read_number(phone_number_id="111", credentials=shown)
    assert isinstance(answer, NotSent)
    assert isinstance(seen, NotSent)
    assert graph.requests == []


async def test_an_answer_that_drips_ends_with_the_deadline(graph: Graph) -> None:
    async def drips(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)

    graph.answer = drips
    started = time.monotonic()
    async with client_of(graph.url, deadline=0.3) as client:
        assert isinstance(await sent(client), Unknown)
    assert 0.25 < time.monotonic() - started < 3


async def test_a_number_is_read_with_the_token_and_the_proof(graph: Graph) -> None:
    graph.answer = answering(200, '{"id": "111", "verified_name": "Shop"}')
    async with client_of(graph.url) as client:
        seen = await client.read_number(phone_number_id="111", credentials=WITH_PROOF)
    assert seen == NumberSeen("111", verified_name="Shop")
    [asked] = graph.requests
    assert (asked.method, asked.path) == ("GET", "/v26.0/111")
    assert dict(asked.query) == {
        "appsecret_proof": WITH_PROOF.proof,
        "fields": "id,display_phone_number,verified_name,quality_rating",
    }
    assert asked.headers["Authorization"] == "Bearer EAAG-token"


async def test_a_number_that_cannot_be_read(graph: Graph, unused_port: int) -> None:
    async def read(client: GraphClient) -> Any:
        return await client.read_number(phone_number_id="111", credentials=WITHOUT)

    async with client_of(graph.url) as client:
        graph.answer = answering(401, '{"error": {"code": 190, "message": "expired"}}')
        refused = await read(client)
        graph.answer = answering(200, "<html>")
        unknown = await read(client)
    async with client_of(f"http://127.0.0.1:{unused_port}") as client:
        away = await read(client)
    assert isinstance(refused, Refused)
    assert refused.error.code == 190
    assert isinstance(unknown, Unknown)
    assert isinstance(away, NotSent)


async def test_the_simulator_of_meta_takes_our_proof_and_no_other() -> None:
    settings = Settings(app_secret="s", require_proof=True)
    async with (
        Simulator(settings, port=0) as simulator,
        client_of(simulator.base_url) as client,
    ):
        right = await sent(client, credentials=credentials("EAAG", "s"))
        refusals = [
            await sent(client, credentials=credentials("EAAG", app_secret))
            for app_secret in ("another", None)
        ]
    assert isinstance(right, Accepted)
    assert len(refusals) == 2
    for refused in refusals:
        assert isinstance(refused, Refused)
        assert refused.error.code == 100
        assert "appsecret_proof" in refused.error.title


async def test_a_token_that_graph_quotes_is_not_kept(graph: Graph) -> None:
    async def quotes(request: web.Request) -> web.StreamResponse:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        error = {"code": 190, "message": f"Malformed access token {token}"}
        return web.json_response({"error": error}, status=400)

    graph.answer = quotes
    async with client_of(graph.url) as client:
        number = await client.read_number(phone_number_id="111", credentials=WITHOUT)
        send = await client.send_message(
            phone_number_id="111", credentials=WITHOUT, request=REQUEST, departure=Departure()
        )
    for answer in (number, send):
        assert isinstance(answer, Refused)
        assert "Malformed" in answer.error.title
        assert WITHOUT.token not in repr(answer)
