"""Redis as others run it: users, TLS, and a primary with a replica that three Sentinels watch."""

import asyncio
import contextlib
import datetime
import ipaddress
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis
from redis.exceptions import RedisError

from manyline.infra.embedded.binaries import find_valkey

LOOPBACK = "127.0.0.1"
NAME = "orders"
USER, PASSWORD = "manyline", "a-password"
SENTINEL_PASSWORD = "a-sentinels-password"

# All that the product needs: its own keys, and no command that touches others'.
RIGHTS = "~bull:* ~manyline:* +@all -@dangerous +info"


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as taken:
        return int(taken.getsockname()[1])


def until(condition: Callable[[], Any], *, within: float = 10.0) -> Any:
    """What `condition` answers once that is true; a server that does not answer is not true."""
    deadline = time.monotonic() + within
    while True:
        with contextlib.suppress(RedisError):
            if found := condition():
                return found
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)


@contextmanager
def silence() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield int(listener.getsockname()[1])


class Process:
    """One valkey-server, as a store or as a Sentinel; `config` is its file, line by line."""

    def __init__(self, directory: Path, config: str, *, sentinel: bool = False) -> None:
        self.port = free_port()
        directory.mkdir(parents=True)
        file = directory / "server.conf"
        file.write_text(f"port {self.port}\nbind {LOOPBACK}\ndir {directory}\n{config}\n")
        command = [find_valkey(), file, *(["--sentinel"] if sentinel else [])]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        password = SENTINEL_PASSWORD if sentinel else PASSWORD
        self.console = Redis(
            LOOPBACK, self.port, password=password, decode_responses=True, socket_timeout=2
        )

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self.console.close()


@contextmanager
def store(directory: Path, *more: str) -> Iterator[Process]:
    """A Valkey with the password for `default`, and the user that the product logs in as."""
    process = Process(
        directory,
        "\n".join(
            (
                f"requirepass {PASSWORD}",
                f"masterauth {PASSWORD}",
                f"user {USER} on >{PASSWORD} {RIGHTS}",
                'save ""',
                "repl-diskless-sync-delay 0",
                *more,
            )
        ),
    )
    try:
        until(process.console.ping)
        yield process
    finally:
        process.close()


@contextmanager
def sentinel(directory: Path, port: int, *, quorum: int = 1) -> Iterator[Process]:
    """One that takes whoever listens there, or nobody, for the primary, and has no patience."""
    config = (
        f"requirepass {SENTINEL_PASSWORD}",
        f"sentinel monitor {NAME} {LOOPBACK} {port} {quorum}",
        f"sentinel auth-pass {NAME} {PASSWORD}",
        f"sentinel down-after-milliseconds {NAME} 600",
        f"sentinel failover-timeout {NAME} 3000",
    )
    process = Process(directory, "\n".join(config), sentinel=True)
    try:
        until(process.console.ping)
        yield process
    finally:
        process.close()


class Fleet:
    """A primary, its replica, and three Sentinels that fail over within about a second."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.primary = stack.enter_context(store(directory / "one"))
        follow = f"replicaof {LOOPBACK} {self.primary.port}"
        self.replica = stack.enter_context(store(directory / "two", follow))
        until(lambda: self.replica.console.info("replication")["master_link_status"] == "up")
        port = self.primary.port
        watching = [sentinel(directory / f"s{n}", port, quorum=2) for n in range(3)]
        self.sentinels = [stack.enter_context(one) for one in watching]
        for one in self.sentinels:
            until(lambda one=one: self._knows_all(one))

    def _knows_all(self, sentinel: Process) -> bool:
        known = sentinel.console.sentinel_master(NAME)
        return bool(known["num-other-sentinels"] == 2 and known["num-slaves"] == 1)

    @property
    def addresses(self) -> str:
        """As in REDIS_SENTINELS."""
        return ",".join(f"{LOOPBACK}:{one.port}" for one in self.sentinels)


@contextmanager
def fleet(directory: Path) -> Iterator[Fleet]:
    with ExitStack() as stack:
        yield Fleet(directory, stack)


class Authority:
    """Signs one certificate, for 127.0.0.1; its own is in `file`, to be believed."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        key, name = ec.generate_private_key(ec.SECP256R1()), _name("an authority")
        limits = x509.BasicConstraints(ca=True, path_length=None)
        own = _unsigned(name, name, key).add_extension(limits, critical=True)
        self.file = directory / "ca.pem"
        self.file.write_bytes(own.sign(key, hashes.SHA256()).public_bytes(_PEM))
        server_key = ec.generate_private_key(ec.SECP256R1())
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))])
        server = _unsigned(_name("a server"), name, server_key).add_extension(address, False)
        chain = directory / "server.pem"
        chain.write_bytes(
            server_key.private_bytes(
                _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + server.sign(key, hashes.SHA256()).public_bytes(_PEM)
        )
        self.server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.server_context.load_cert_chain(chain)


_PEM = serialization.Encoding.PEM


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
    )


class Door:
    """Forwards a port to a server, which can be changed; open connections stay where they are."""

    def __init__(self) -> None:
        self.to = 0
        self.port = 0
        self.connections = 0
        self._passing: set[asyncio.Task[None]] = set()

    async def _open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there = await asyncio.open_connection(LOOPBACK, self.to)
        ways = ((reader, there[1]), (there[0], writer))
        self._passing |= {asyncio.create_task(_pass_on(*way)) for way in ways}

    async def close(self) -> None:
        for one in self._passing:
            one.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def door(to: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Door]:
    """The bundled Valkey is built without TLS: with `tls` this speaks it in its place."""
    opened = Door()
    opened.to = to
    server = await asyncio.start_server(opened._open, LOOPBACK, 0, ssl=tls)
    opened.port = server.sockets[0].getsockname()[1]
    try:
        yield opened
    finally:
        server.close()
        await opened.close()
