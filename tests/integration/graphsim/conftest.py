"""A real receiver of webhooks and a real simulator, on free ports of this machine."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from graphsim.settings import Settings
from graphsim.simulator import Simulator

APP_SECRET = "sim-app-secret"
DEADLINE = 5.0


@dataclass(frozen=True)
class Received:
    """One webhook POST as it came in."""

    raw: bytes
    signature: str | None
    content_type: str

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.raw)
        return body

    @property
    def signed(self) -> bool:
        digest = hmac.new(APP_SECRET.encode(), self.raw, hashlib.sha256).hexdigest()
        return self.signature == f"sha256={digest}"

    def values(self, kind: str) -> list[dict[str, Any]]:
        return [
            item
            for entry in self.body["entry"]
            for change in entry["changes"]
            for item in change["value"].get(kind, [])
        ]


class Receiver:
    """Answers 200 unless told otherwise; keeps every POST in order of arrival."""

    def __init__(self) -> None:
        self.url = ""
        self.posts: list[Received] = []
        self.answers: list[int] = []
        """Statuses for the next POSTs; afterwards 200."""
        self.at_once = 0
        self.most_at_once = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.verify_token: str | None = None
        self._changed = asyncio.Condition()

    async def webhook(self, request: web.Request) -> web.Response:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        raw = await request.read()
        self.posts.append(
            Received(raw, request.headers.get("X-Hub-Signature-256"), request.content_type)
        )
        async with self._changed:
            self._changed.notify_all()
        await self.gate.wait()
        self.at_once -= 1
        return web.Response(status=self.answers.pop(0) if self.answers else 200)

    async def handshake(self, request: web.Request) -> web.Response:
        if request.query["hub.verify_token"] != self.verify_token:
            return web.Response(status=403)
        return web.Response(text=request.query["hub.challenge"])

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE), self._changed:
            await self._changed.wait_for(condition)

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [item for post in self.posts for item in post.values(kind)]

    def status_names(self) -> list[str]:
        return [status["status"] for status in self.all("statuses")]


class Caller:
    """What a backend would do: POST messages, and talk to `/_sim`."""

    def __init__(self, session: aiohttp.ClientSession, simulator: Simulator) -> None:
        self.session = session
        self.simulator = simulator

    def send(
        self,
        *,
        number: str = "111",
        token: str | None = "EAAG-token",
        within: float = DEADLINE,
        allow_redirects: bool = True,
        **changes: Any,
    ) -> Any:
        """A request context; `async with caller.send() as response`."""
        message = {
            "messaging_product": "whatsapp",
            "to": "+919012345678",
            "type": "text",
            "text": {"body": "hello"},
            **changes,
        }
        return self.session.post(
            f"{self.simulator.base_url}/v26.0/{number}/messages",
            json=message,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=aiohttp.ClientTimeout(total=within),
            allow_redirects=allow_redirects,
        )

    async def sent(self, **changes: Any) -> str:
        """The wamid of a message that was taken."""
        async with self.send(**changes) as response:
            assert response.status == 200
            wamid: str = (await response.json())["messages"][0]["id"]
            return wamid

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.simulator.base_url}/_sim{path}"
        async with self.session.request(method, url, json=body) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def faults(self, *rules: dict[str, Any]) -> None:
        await self.control("POST", "/faults", list(rules))


async def eventually(condition: Callable[[], bool], *, within: float = DEADLINE) -> None:
    """Wait until `condition` holds; for state that nobody announces."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/webhook", receiver.webhook)
    app.router.add_get("/webhook", receiver.handshake)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{site.port}/webhook"
    yield receiver
    receiver.gate.set()
    await runner.cleanup()


@pytest.fixture
async def simulator(receiver: Receiver) -> AsyncIterator[Simulator]:
    settings = Settings(webhook_url=receiver.url, app_secret=APP_SECRET, status_delay=0.002)
    async with Simulator(settings) as simulator:
        yield simulator


@pytest.fixture
async def caller(simulator: Simulator) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        yield Caller(session, simulator)
