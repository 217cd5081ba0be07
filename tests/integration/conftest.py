"""Real servers for a whole session, and a database and an empty Redis for each test.

`backend` is the product in this process: its API on a port of its own, and, when a test starts
them, its workers. `simulator` plays Meta. Nothing here sleeps: tests wait for what they expect.
"""

import asyncio
import hashlib
import hmac
import json
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn
from bson import ObjectId
from pymongo import AsyncMongoClient, MongoClient
from pymongo.asynchronous.database import AsyncDatabase
from redis import Redis

from graphsim.settings import Settings as SimulatorSettings
from graphsim.simulator import Simulator
from manyline.entry.api.app import build_app
from manyline.entry.api.short_way import short_way
from manyline.entry.worker import process
from manyline.infra.embedded import EmbeddedServers
from manyline.infra.mongo import Mongo, open_mongo
from manyline.runtime.api import open_api
from manyline.runtime.worker import WorkerRuntime, open_worker
from manyline.settings import Settings

APP_SECRET = "an-app-secret"
DEADLINE = 15.0

Condition = Callable[[], Any]


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, **by: float) -> None:
        self._now += timedelta(**by)


@dataclass(frozen=True)
class Reply:
    """An HTTP answer, read to its end."""

    status: int
    headers: Any
    body: Any

    @property
    def code(self) -> Any:
        return self.body.get("code")


async def eventually(condition: Condition, *, within: float = DEADLINE) -> Any:
    """What `condition` answers, once that is true; it may be asynchronous."""
    last: Any = None
    try:
        async with asyncio.timeout(within):
            while True:
                last = condition()
                if isinstance(last, Awaitable):
                    last = await last
                if last:
                    return last
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"did not come true within {within} s; last was {last!r}") from None


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """A mongod replica set and a Valkey, shared by all tests that leave them running."""
    shared = EmbeddedServers(tmp_path_factory.mktemp("servers"), cache_gb=0.25)
    asyncio.run(shared.open())
    yield shared
    asyncio.run(shared.close())


@pytest.fixture(scope="session")
def console(servers: EmbeddedServers) -> Iterator[MongoClient[dict[str, Any]]]:
    """For cleaning up."""
    with MongoClient[dict[str, Any]](servers.mongo_uri) as client:
        yield client


@pytest.fixture
def mongo_uri(servers: EmbeddedServers, console: MongoClient[dict[str, Any]]) -> Iterator[str]:
    """A database that is this test's alone."""
    name = f"test_{secrets.token_hex(6)}"
    yield servers.mongo_uri.replace("/pocdb", f"/{name}")
    console.drop_database(name)


@pytest.fixture
def redis(servers: EmbeddedServers) -> Iterator[Redis]:
    """An empty Valkey, and a client to look into it."""
    with Redis(servers.redis_host, servers.redis_port, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture
async def mongo(mongo_uri: str) -> AsyncIterator[Mongo]:
    """The product's own client, for tests of one repository."""
    opened = open_mongo(mongo_uri, app_name="test")
    yield opened
    await opened.close()


@pytest.fixture
async def database(mongo_uri: str) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    """A client that is the test's own, to look and to prepare."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_uri, tz_aware=True)
    yield client.get_default_database()
    await client.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(name="eventually")
def eventually_() -> Callable[..., Awaitable[Any]]:
    """Waits until a condition holds, and answers what it answered."""
    return eventually


@pytest.fixture
def make_settings(
    mongo_uri: str, servers: EmbeddedServers, redis: Redis, tmp_path: Path
) -> Callable[..., Settings]:
    """Settings for this test's servers, with short times."""

    def make(**changes: Any) -> Settings:
        values: dict[str, Any] = {
            "mongo_uri": mongo_uri,
            "redis_host": servers.redis_host,
            "redis_port": servers.redis_port,
            "master_key": "ab" * 32,
            "verify_token": "a-verify-token",
            "call_deadline_seconds": 0.5,
            "lease_seconds": 5.5,
            "relay_interval_seconds": 0.1,
            "retry_base_seconds": 0.02,
            "MANYLINE_DATA_DIR": tmp_path / "data",
            **changes,
        }
        return Settings(_env_file=None, **values)

    return make


class Backend:
    """The product in this process, and what a client of it does."""

    def __init__(self, settings: Settings, url: str, session: aiohttp.ClientSession) -> None:
        self.settings = settings
        self.url = url
        self._session = session
        self._stack = AsyncExitStack()
        self.signed_with = (
            settings.app_secret[0].get_secret_value() if settings.app_secret else None
        )

    async def call(self, method: str, path: str, **more: Any) -> Reply:
        """One request; a body that is JSON is read as such."""
        async with self._session.request(method, self.url + path, **more) as answer:
            raw = await answer.read()
            body = json.loads(raw) if raw and "json" in answer.content_type else raw
            return Reply(answer.status, answer.headers, body)

    async def register(self, number: str = "111111111111111", **changes: Any) -> str:
        """A new tenant's id."""
        given = {"name": "Tenant A", "phoneNumberId": number, "accessToken": "EAAG-a-token"}
        answer = await self.call("POST", "/tenants/register", json={**given, **changes})
        assert answer.status == 201, answer
        return str(answer.body["tenantId"])

    async def patch(self, tenant_id: str, **changes: Any) -> Reply:
        return await self.call("PATCH", f"/tenants/{tenant_id}", json=changes)

    async def send(self, tenant_id: str, **changes: Any) -> Reply:
        given = {"to": "+919012345678", "text": "hello", **changes}
        return await self.call("POST", f"/tenants/{tenant_id}/send", json=given)

    async def sent(self, tenant_id: str, **changes: Any) -> str:
        """The id of a message that was accepted."""
        answer = await self.send(tenant_id, **changes)
        assert answer.status == 200, answer
        return str(answer.body["messageId"])

    async def webhook(self, body: Any, **headers: str) -> Reply:
        """POST a webhook, signed when the product wants that."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **headers}
        if self.signed_with is not None:
            digest = hmac.digest(self.signed_with.encode(), raw, hashlib.sha256)
            given.setdefault("X-Hub-Signature-256", "sha256=" + digest.hex())
        return await self.call("POST", "/whatsapp/webhook", data=raw, headers=given)

    async def message(self, tenant_id: str, message_id: str) -> dict[str, Any]:
        answer = await self.call("GET", f"/tenants/{tenant_id}/messages/{message_id}")
        assert answer.status == 200, answer
        return dict(answer.body)

    async def messages(self, tenant_id: str) -> list[dict[str, Any]]:
        """All of them, oldest first."""
        found: list[dict[str, Any]] = []
        query: dict[str, Any] | None = {"limit": 100}
        while query is not None:
            answer = await self.call("GET", f"/tenants/{tenant_id}/messages", params=query)
            assert answer.status == 200, answer
            found += answer.body["items"]
            cursor = answer.body["nextCursor"]
            query = {"limit": 100, "cursor": cursor} if cursor else None
        return found[::-1]

    async def until_status(self, tenant_id: str, message_id: str, *statuses: str) -> dict[str, Any]:
        async def reached() -> dict[str, Any] | None:
            message = await self.message(tenant_id, message_id)
            return message if message["status"] in statuses else None

        found: dict[str, Any] = await eventually(reached)
        return found

    async def start_worker(self, **changes: Any) -> WorkerRuntime:
        """A worker that runs until it is stopped, or until the test ends."""
        settings = self.settings.model_copy(update=changes)
        return await self._stack.enter_async_context(running_worker(settings))

    async def close(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def running_worker(settings: Settings) -> AsyncIterator[WorkerRuntime]:
    """What the worker process does, without its signals."""
    async with open_worker(settings, progress=_quiet) as worker:
        loops = worker.foundation.background
        loops.start("heartbeat", process._beat(worker))
        loops.start("relay", process._relay(worker))
        jobs = asyncio.create_task(worker.shell.run())
        try:
            yield worker
        finally:
            await worker.shell.stop(within_seconds=1.0)
            await jobs
            await worker.deliverer.stop()
            await worker.calls.stop(within_seconds=1.0)
            for task in loops._tasks:
                if task.done() and not task.cancelled():
                    await task  # A loop that broke fails its test.


class Server(uvicorn.Server):
    """Serves in this process and leaves its signals alone."""

    def install_signal_handlers(self) -> None:
        pass


@asynccontextmanager
async def running_api(settings: Settings) -> AsyncIterator[str]:
    """The API on a free port; yields its URL."""
    async with open_api(settings, progress=_quiet) as runtime:
        # The protocol is named, or asyncio leaves Nagle's algorithm on: 40 ms an answer.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        config = uvicorn.Config(
            build_app(runtime),
            http=short_way(runtime),
            ws="none",
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        server = Server(config)
        serving = asyncio.create_task(server._serve([listener]))
        await eventually(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
            listener.close()


def _quiet(_line: str) -> None:
    """Progress of connecting: nobody looks."""


OpenBackend = Callable[..., Awaitable[Backend]]


@pytest.fixture
async def open_backend(make_settings: Callable[..., Settings]) -> AsyncIterator[OpenBackend]:
    """Opens backends, more than one on the same stores if wanted, and closes them."""
    async with AsyncExitStack() as stack:

        async def open_one(**changes: Any) -> Backend:
            settings = make_settings(**changes)
            url = await stack.enter_async_context(running_api(settings))
            # Idle connections are dropped before the server drops them: a request in that instant
            # would be lost.
            connector = aiohttp.TCPConnector(keepalive_timeout=2.0)
            session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
            backend = Backend(settings, url, session)
            stack.push_async_callback(backend.close)
            return backend

        yield open_one


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """Meta's stand-in; its webhooks go to `backend` once that is open."""
    settings = SimulatorSettings(app_secret=APP_SECRET, status_delay=0.002)
    async with Simulator(settings) as running:
        yield running


@pytest.fixture
async def backend(open_backend: OpenBackend, simulator: Simulator) -> Backend:
    """The API, with the simulator as Graph; no worker runs until the test starts one."""
    opened = await open_backend(app_secret=APP_SECRET, graph_base_url=simulator.base_url)
    simulator.settings.webhook_url = opened.url + "/whatsapp/webhook"
    return opened


@pytest.fixture
def text_message() -> Callable[..., dict[str, Any]]:
    """A customer's text, as it stands in a webhook."""

    def make(text: str = "hi", *, sender: str = "919111111111", **more: Any) -> dict[str, Any]:
        wamid = more.pop("id", f"wamid.{ObjectId()}")
        return {"from": sender, "id": wamid, "type": "text", "text": {"body": text}, **more}

    return make


@pytest.fixture
def webhook_of() -> Callable[..., dict[str, Any]]:
    """A webhook of one change."""

    def make(number: str = "111111111111111", **value: Any) -> dict[str, Any]:
        value = {"metadata": {"phone_number_id": number}, **value}
        return {"entry": [{"changes": [{"field": "messages", "value": value}]}]}

    return make
