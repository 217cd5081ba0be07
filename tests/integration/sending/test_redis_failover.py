"""The whole product behind Sentinels: what the lost primary knew alone is found by the relay."""

import asyncio
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from graphsim.simulator import Simulator
from tests.integration.conftest import APP_SECRET
from tests.integration.queue.fleet import NAME, PASSWORD, SENTINEL_PASSWORD, USER, Fleet, fleet

WAITING = "bull:whatsapp-send-queue:wait"
RATE = "manyline:rate:111111111111111"


@pytest.fixture(autouse=True)
def impatient_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is overdue for five seconds in production is so here after a third of one."""
    monkeypatch.setattr("manyline.sending.relay.OVERDUE", timedelta(seconds=0.3))


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Fleet]:
    with fleet(tmp_path / "fleet") as running:
        yield running


@pytest.fixture
async def behind_sentinels(guarded: Fleet, open_backend: Any, simulator: Simulator) -> Any:
    """The API, told nothing but the Sentinels' addresses."""
    backend = await open_backend(
        app_secret=APP_SECRET,
        graph_base_url=simulator.base_url,
        redis_host=None,
        redis_username=USER,
        redis_password=PASSWORD,
        redis_sentinels=guarded.addresses,
        redis_sentinel_master=NAME,
        redis_sentinel_password=SENTINEL_PASSWORD,
    )
    simulator.settings.webhook_url = backend.url + "/whatsapp/webhook"
    return backend


async def test_every_message_is_sent_once_whatever_the_failover_took_along(
    behind_sentinels: Any, guarded: Fleet, simulator: Simulator, eventually: Any
) -> None:
    """The primary dies amid sends, and its replica knows nothing of what waited there."""
    backend = behind_sentinels
    tenant = await backend.register()
    waiting = [await backend.sent(tenant, to=f"+9190000000{n:02}") for n in range(10)]
    assert guarded.primary.console.exists(WAITING)
    guarded.replica.console.config_set("replica-read-only", "no")
    guarded.replica.console.flushall()

    guarded.primary.send(signal.SIGKILL)
    waiting += await asyncio.gather(
        *(backend.sent(tenant, to=f"+9190000001{n:02}") for n in range(10))
    )
    worker = await backend.start_worker()
    waiting.append(await backend.sent(tenant, to="+919000000200"))

    for message in waiting:
        await backend.until_status(tenant, message, "read")
    assert simulator.journal.summary()["doubled"] == []
    assert not worker.shell.redis_away

    async def counted_by_the_new_primary() -> bool:
        one = await backend.sent(tenant, to="+919000000201")
        await backend.until_status(tenant, one, "read")
        return bool(guarded.replica.console.exists(RATE))

    await eventually(counted_by_the_new_primary)
