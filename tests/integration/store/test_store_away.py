"""MongoDB goes away and comes back: 503 meanwhile, never a 500, and nothing promised is lost."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from manyline.infra.embedded import EmbeddedServers

# PyMongo 4.20 leaves a socket to the garbage collector when a client is closed while its monitor
# connects, and a store that is away makes that likely.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def sockets_end_here() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
async def own_servers(tmp_path: Path) -> AsyncIterator[EmbeddedServers]:
    """Servers that this test may stop and kill."""
    async with EmbeddedServers(tmp_path / "servers", cache_gb=0.25) as servers:
        yield servers


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_away_and_back_under_load(
    *,
    open_backend: Any,
    own_servers: EmbeddedServers,
    simulator: Any,
    webhook_of: Any,
    text_message: Any,
    eventually: Any,
    how: str,
) -> None:
    backend = await open_backend(mongo_uri=own_servers.mongo_uri, graph_base_url=simulator.base_url)
    simulator.settings.webhook_url = backend.url + "/whatsapp/webhook"
    tenant_id = await backend.register()
    await backend.start_worker()
    stopping = asyncio.Event()
    answers: list[tuple[int, str, str]] = []

    async def customer(number: int) -> None:
        """Says one thing after another, each until it was taken."""
        for n in range(10_000):
            if stopping.is_set():
                return
            message = text_message(sender=f"9190123{number}{n:04}", id=f"wamid.{number}.{n}")
            answer = await backend.webhook(webhook_of(messages=[message]))
            answers.append((answer.status, "webhook", message["id"]))
            await asyncio.sleep(0.02)

    async def software(number: int) -> None:
        for n in range(10_000):
            if stopping.is_set():
                return
            key = f"key {number} {n}"
            answer = await backend.send(tenant_id, to=f"9190124{number:05}", idempotency_key=key)
            answers.append((answer.status, "send", key))
            await asyncio.sleep(0.02)

    load = [asyncio.create_task(who(n)) for n in range(4) for who in (customer, software)]
    await eventually(lambda: len(answers) > 50)
    await getattr(own_servers, how)("mongod")
    await eventually(lambda: any(status == 503 for status, _, _ in answers))
    ready = await backend.call("GET", "/health/ready")
    assert (ready.status, ready.body["checks"]["mongodb"]["state"]) == (503, "down")
    assert (await backend.call("GET", "/health")).status == 200
    asked = time.monotonic()
    refused = await backend.call("GET", "/tenants")
    assert time.monotonic() - asked < 6.0
    assert (refused.status, refused.code) == (503, "store_unavailable")
    assert refused.headers["Retry-After"]
    await own_servers.start("mongod")
    back = len(answers)
    await eventually(lambda: sum(status == 200 for status, _, _ in answers[back:]) > 50)
    stopping.set()
    await asyncio.gather(*load)

    assert {status for status, _, _ in answers} == {200, 503}
    taken = {name for status, _, name in answers if status == 200}

    async def all_read() -> Any:
        messages = await backend.messages(tenant_id)
        known = {m["waMessageId"] for m in messages if m["direction"] == "IN"}
        known |= {m["idempotencyKey"] for m in messages}
        assert taken <= known
        out = [m["status"] for m in messages if m["direction"] == "OUT"]
        return set(out) == {"read"}

    await eventually(all_read, within=30)
    assert simulator.journal.summary()["doubled"] == []
