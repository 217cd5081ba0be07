"""Connections to Graph: answers in any shape, connections reused only when that is safe."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

from manyline.meta.wire import BrokenAnswerError, Departure, Origin, Response

REQUEST = b"POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-Told: Yes\r\n\r\nok"

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

Answers = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers each request as it is told, and counts connections."""

    def __init__(self) -> None:
        self.url = URL()
        self.connections = 0
        self.answer: Answers = pieces(OK)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await reader.readexactly(len(REQUEST))
                await self.answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def pieces(*parts: bytes, then_close: bool = False) -> Answers:
    """The parts, each in a read of its own."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.005)
        if then_close:
            writer.close()

    return answer


@asynccontextmanager
async def serving(**how: Any) -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, **how)
    port = listening.sockets[0].getsockname()[1]
    server.url = URL(f"{'https' if how else 'http'}://localhost:{port}")
    yield server
    listening.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as one:
        yield one


@asynccontextmanager
async def origin_of(url: URL, *, keep_alive: float = 10.0) -> AsyncIterator[Origin]:
    origin = Origin(url, connect_seconds=5.0, keep_alive_seconds=keep_alive)
    try:
        yield origin
    finally:
        origin.close()


async def ask(origin: Origin) -> Response:
    async with asyncio.timeout(10):
        return await origin.request(REQUEST, Departure())


SHAPES: Sequence[tuple[tuple[bytes, ...], bytes]] = [
    ((OK,), b"ok"),
    (tuple(OK[n : n + 1] for n in range(len(OK))), b"ok"),
    ((CHUNKED + b"1\r\no", b"\r\n1\r\nk\r\n0\r\n\r\n"), b"ok"),
    ((b"HTTP/1.1 100 Continue\r\n\r\n", OK), b"ok"),
    ((b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK,), b"ok"),
    ((b"HTTP/1.1 204 No Content\r\n\r\n",), b""),
    ((b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n",), b""),
]


@pytest.mark.parametrize(("parts", "body"), SHAPES)
async def test_whole_answers_leave_the_connection_for_the_next(
    server: Server, parts: tuple[bytes, ...], body: bytes
) -> None:
    async with origin_of(server.url) as origin:
        server.answer = pieces(*parts)
        assert (await ask(origin)).body == body
        server.answer = pieces(OK)
        second = await ask(origin)
    assert (second.status, second.headers[b"x-told"], second.body) == (200, b"Yes", b"ok")
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        pieces(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"),
        pieces(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        pieces(b"HTTP/1.1 200 OK\r\n\r\no", b"k", then_close=True),
        pieces(OK, b"HTTP/1.1 200 OK\r\n"),
        pieces(OK, then_close=True),
    ],
    ids=["asked to close", "HTTP/1.0", "until the end", "more than was asked", "closed after"],
)
async def test_what_may_not_be_reused_is_not(server: Server, answer: Answers) -> None:
    async with origin_of(server.url) as origin:
        server.answer = answer
        assert (await ask(origin)).body == b"ok"
        # What comes after the answer has to be seen before the next request.
        await asyncio.sleep(0.05)
        server.answer = pieces(OK)
        assert (await ask(origin)).body == b"ok"
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        pieces(OK[:30], then_close=True),
        pieces(b"", then_close=True),
        pieces(CHUNKED + b"1\r\no", then_close=True),
        pieces(b"SSH-2.0-OpenSSH\r\n\r\n"),
        pieces(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        pieces(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 2_000_000),
        pieces(b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n" + b"a" * 2_000_000),
    ],
    ids=["cut", "nothing", "half a chunk", "no HTTP", "upgrade", "long headers", "long body"],
)
async def test_what_is_no_whole_answer_is_broken(server: Server, answer: Answers) -> None:
    async with origin_of(server.url) as origin:
        server.answer = answer
        departure = Departure()
        with pytest.raises(BrokenAnswerError):
            async with asyncio.timeout(10):
                await origin.request(REQUEST, departure)
        assert departure.bytes_left
        server.answer = pieces(OK)
        assert (await ask(origin)).body == b"ok"
    assert server.connections == 2


async def test_who_stops_waiting_leaves_no_answer_to_the_next(server: Server) -> None:
    held = asyncio.Event()

    async def late(writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.write(OK.replace(b"ok", b"no"))

    async with origin_of(server.url) as origin:
        server.answer = late
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await origin.request(REQUEST, Departure())
        server.answer = pieces(OK)
        held.set()
        assert (await ask(origin)).body == b"ok"
    assert server.connections == 2


async def test_what_lay_too_long_is_closed(server: Server) -> None:
    async with origin_of(server.url, keep_alive=0.02) as origin:
        await ask(origin)
        await asyncio.sleep(0.05)
        await ask(origin)
    assert server.connections == 2


async def test_as_many_connections_as_requests_at_once_and_the_latest_first(
    server: Server,
) -> None:
    async with origin_of(server.url) as origin:
        await asyncio.gather(*(ask(origin) for _ in range(20)))
        assert server.connections == 20
        for _ in range(5):
            await ask(origin)
        assert server.connections == 20


async def test_closing_ends_what_is_under_way(server: Server) -> None:
    async def never(_writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    server.answer = never
    async with origin_of(server.url) as origin:
        asked = asyncio.create_task(ask(origin))
        while not server.connections:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.02)
        origin.close()
        with pytest.raises(BrokenAnswerError):
            await asked


async def test_a_name_that_nobody_knows_leaves_no_byte() -> None:
    departure = Departure()
    async with origin_of(URL("http://nobody.invalid")) as origin:
        with pytest.raises(OSError):
            await origin.request(REQUEST, departure)
    assert not departure.bytes_left


async def test_tls_to_whom_the_authorities_vouch_for_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(certificate)
    async with serving(ssl=shown) as server:
        departure = Departure()
        async with origin_of(server.url) as origin:
            with pytest.raises(ssl.SSLError):
                await origin.request(REQUEST, departure)
        assert not departure.bytes_left
        trusting = ssl.create_default_context(cafile=str(certificate))
        monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
        async with origin_of(server.url) as origin:
            assert (await ask(origin)).body == b"ok"
            assert (await ask(origin)).body == b"ok"
        connections = server.connections
        async with origin_of(server.url.with_host("127.0.0.1")) as origin:
            with pytest.raises(ssl.SSLError, match="IP address mismatch"):
                await ask(origin)
    assert connections == 1


def make_certificate(directory: Path) -> Path:
    """Key and certificate of `localhost`, signed by itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = directory / "localhost.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file
