"""Redis that asks for a user, speaks TLS, or moves: every client of ours finds it and goes on."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import NoPermissionError

from manyline.infra.redis import RedisServer, open_quick_redis
from manyline.limits.buckets import Buckets, Wanted
from manyline.limits.turns import Turns
from manyline.queue.errors import QueueUnavailableError
from manyline.queue.producer import WakeQueue
from manyline.queue.worker import WorkerShell
from manyline.settings import load_settings
from tests.integration.queue.fleet import (
    LOOPBACK,
    NAME,
    PASSWORD,
    SENTINEL_PASSWORD,
    USER,
    Authority,
    Door,
    Fleet,
    Process,
    door,
    fleet,
    store,
    until,
)

NUMBER = "111111111111111"
RATE = f"manyline:rate:{NUMBER}"


def named(**settings: Any) -> RedisServer:
    """As a process has it that was started with these settings."""
    login = {"redis_username": USER, "redis_password": PASSWORD}
    return RedisServer.from_settings(load_settings(_env_file=None, **{**login, **settings}))


def at(port: int, **settings: Any) -> RedisServer:
    return named(**{"redis_host": LOOPBACK, "redis_port": port, **settings})


def watched(addresses: str, **settings: Any) -> RedisServer:
    login = {"redis_sentinel_password": SENTINEL_PASSWORD}
    where = {"redis_sentinels": addresses, "redis_sentinel_master": NAME}
    return named(**{**login, **where, **settings})


class Product:
    """What of ours talks to Redis: a producer, one worker, the buckets and the turns."""

    def __init__(self, server: RedisServer, handlers: Any) -> None:
        self.queue = WakeQueue(redis=server)
        self.shell = WorkerShell(redis=server, handlers=handlers)
        self.working = asyncio.create_task(self.shell.run())
        self._client = open_quick_redis(server)
        self.buckets = Buckets(self._client)
        self.turns = Turns(self._client)

    async def reserve(self) -> None:
        await self.buckets.reserve({NUMBER: Wanted(per_second=80, recipients=["1"])})

    async def close(self) -> None:
        await self.shell.stop(within_seconds=0.5)
        await self.working
        await self.queue.close()
        await self._client.aclose()


StartProduct = Callable[[RedisServer], Product]


@pytest.fixture
async def run(recorder: Any) -> AsyncIterator[StartProduct]:
    """Starts products. Ask for it after the servers: what comes last is stopped first."""
    running: list[Product] = []

    def start(server: RedisServer) -> Product:
        running.append(Product(server, recorder))
        return running[-1]

    yield start
    for one in running:
        await one.close()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Process]:
    with store(tmp_path / "plain") as process:
        yield process


async def taken_at_last(add: Callable[[], Awaitable[None]], *, within: float) -> float:
    """Repeat an add until Redis takes it; after how many seconds. No try lasts two."""
    began = time.monotonic()
    while True:
        tried = time.monotonic()
        try:
            await add()
        except QueueUnavailableError:
            assert time.monotonic() - tried < 2
            assert time.monotonic() - began < within, "Redis never took it"
            await asyncio.sleep(0.05)
        else:
            return time.monotonic() - began


@pytest.fixture
def promoted(tmp_path: Path) -> Iterator[Process]:
    with store(tmp_path / "promoted") as process:
        yield process


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Fleet]:
    """A primary, its replica and their Sentinels."""
    with fleet(tmp_path / "fleet") as running:
        yield running


@pytest.fixture
async def address(plain: Process) -> AsyncIterator[Door]:
    """Of whichever server is the primary, `plain` at first."""
    async with door(plain.port) as opened:
        yield opened


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
async def encrypted(plain: Process, authority: Authority) -> AsyncIterator[Door]:
    """A door to `plain` that speaks TLS."""
    async with door(plain.port, authority.server_context) as opened:
        yield opened


async def counted_by(server: Process, product: Product) -> None:
    """Return once the buckets count in that server; it was counted elsewhere before."""
    server.console.delete(RATE)
    async with asyncio.timeout(8):
        while not server.console.exists(RATE):
            await product.reserve()
            await asyncio.sleep(0.05)


async def test_a_user_who_may_touch_our_keys_alone_is_enough(
    plain: Process, run: StartProduct, recorder: Any, eventually: Any
) -> None:
    product = run(at(plain.port))

    await product.queue.add_sends(["a"])
    await product.queue.add_drains(["1", "2"])
    await product.queue.add_drains(["3"], delay_seconds=0.2)
    await eventually(lambda: recorder.ended == 4)
    await product.reserve()
    await product.buckets.slow_down(NUMBER)
    async with product.turns.at(NUMBER) as ours:
        assert ours
        assert plain.console.exists(RATE, f"manyline:turn:{NUMBER}") == 2

    assert await product.queue.counts() == {"waiting": 0, "active": 0, "delayed": 0, "failed": 0}
    assert not product.shell.redis_away
    with pytest.raises(NoPermissionError):
        await product.buckets._reserve._redis.flushall()


@pytest.mark.parametrize(
    "login", [{"redis_password": "wrong"}, {"redis_username": "nobody"}, {"redis_password": None}]
)
async def test_a_login_that_is_refused_is_said_soon_and_without_its_words(
    plain: Process, open_queue: Any, login: dict[str, Any]
) -> None:
    login = {"redis_username": None, **login} if login == {"redis_password": None} else login
    server = at(plain.port, **login)
    queue = WakeQueue(redis=server)
    began = time.monotonic()

    with pytest.raises(QueueUnavailableError, match="AuthenticationError") as refused:
        await queue.ping()

    assert time.monotonic() - began < 2
    said = f"{refused.value.detail} {refused.value.__cause__} {server!r} {queue._client!r}"
    assert PASSWORD not in said
    assert "wrong" not in repr(server)
    await queue.close()


async def test_over_tls_with_an_authority_of_ones_own(  # noqa: PLR0917
    plain: Process,
    encrypted: Door,
    authority: Authority,
    run: StartProduct,
    recorder: Any,
    eventually: Any,
) -> None:
    product = run(at(encrypted.port, redis_tls=True, redis_tls_ca_file=authority.file))

    await product.queue.add_sends(["a"])
    await product.queue.add_drains(["1", "2"])
    await eventually(lambda: recorder.ended == 3)
    await product.reserve()

    assert plain.console.exists(RATE)
    assert encrypted.connections >= 3


@pytest.mark.parametrize(
    ("host", "believes"), [(LOOPBACK, "the system"), (LOOPBACK, "another"), ("localhost", "it")]
)
async def test_a_certificate_that_proves_nothing_ends_the_connection(
    encrypted: Door, authority: Authority, tmp_path: Path, host: str, believes: str
) -> None:
    other = Authority(tmp_path / "other")
    file = {"the system": None, "another": other.file, "it": authority.file}[believes]
    where = {"redis_host": host, "redis_tls": True, "redis_tls_ca_file": file}
    queue = WakeQueue(redis=at(encrypted.port, **where))
    began = time.monotonic()

    with pytest.raises(QueueUnavailableError) as refused:
        await queue.ping()

    assert time.monotonic() - began < 2
    assert "CERTIFICATE_VERIFY_FAILED" in str(refused.value.__cause__)
    await queue.close()


@pytest.mark.parametrize("ours", [True, False])
async def test_tls_on_one_side_only_is_said_soon(
    address: Door, encrypted: Door, ours: bool
) -> None:
    queue = WakeQueue(redis=at((address if ours else encrypted).port, redis_tls=ours))
    began = time.monotonic()

    with pytest.raises(QueueUnavailableError):
        await queue.ping()

    assert time.monotonic() - began < 2
    await queue.close()


async def test_an_address_that_follows_the_primary_and_a_demoted_one_that_keeps_its_clients(  # noqa: PLR0917
    plain: Process,
    promoted: Process,
    address: Door,
    run: StartProduct,
    recorder: Any,
    eventually: Any,
) -> None:
    """Single adds, adds in a transaction and scripts: none stays with the server that refuses."""
    product, other = run(at(address.port)), run(at(address.port))
    await product.queue.add_sends(["before"])
    await other.queue.add_drains(["1", "2"])
    await product.reserve()
    await eventually(lambda: recorder.ended == 3)

    address.to = promoted.port
    plain.console.replicaof(LOOPBACK, promoted.port)
    until(lambda: plain.console.info("replication")["master_link_status"] == "up")
    await other.queue.add_drains(["3", "4"])
    await product.queue.add_sends(["after"])
    await counted_by(promoted, product)

    await eventually(lambda: recorder.ended == 6)
    assert not product.working.done()
    assert not other.working.done()


async def test_a_primary_that_is_killed_is_replaced_without_a_restart(
    guarded: Fleet, run: StartProduct, recorder: Any, eventually: Any
) -> None:
    product = run(watched(guarded.addresses))
    await product.queue.add_sends(["before"])
    await product.reserve()
    await eventually(lambda: recorder.sends == [["before"]])
    assert guarded.primary.console.exists(RATE)

    guarded.primary.send(signal.SIGKILL)
    await taken_at_last(lambda: product.queue.add_sends(["after"]), within=12)
    await eventually(lambda: ["after"] in recorder.sends, within=8)

    await taken_at_last(lambda: product.queue.add_drains(["1", "2"]), within=2)
    await eventually(lambda: set(recorder.drains) == {"1", "2"})
    await counted_by(guarded.replica, product)
    assert not product.working.done()
    assert not product.shell.redis_away


async def test_a_primary_that_vanished_without_a_word_holds_up_nobody(
    guarded: Fleet, run: StartProduct, recorder: Any, eventually: Any
) -> None:
    """Its connections look alive: idle ones, and the one on which the worker waits for a job."""
    product = run(watched(guarded.addresses))
    await asyncio.gather(*(product.queue.ping() for _ in range(8)))
    await product.reserve()

    guarded.primary.send(signal.SIGSTOP)
    await taken_at_last(lambda: product.queue.add_sends(["after"]), within=12)
    await asyncio.gather(*(product.queue.ping() for _ in range(8)))
    await counted_by(guarded.replica, product)
    await eventually(lambda: ["after"] in recorder.sends, within=8)
    assert not product.working.done()
