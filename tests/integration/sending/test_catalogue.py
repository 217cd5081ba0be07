"""Every code of the catalogue, given by the simulator: state, delay and words of its row.

One system takes all codes at once, each from a tenant of its own; then each code is looked at.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
import pytest
from redis import Redis

from graphsim.settings import Settings as SimulatorSettings
from graphsim.simulator import Simulator
from manyline.meta.catalogue import CATALOGUE, PLATFORM_DOES, ErrorClass, ErrorRow
from manyline.settings import Settings
from tests.integration.conftest import APP_SECRET, Backend, eventually, running_api

# Long enough that a message that waits for another try still does when it is looked at.
RETRY_BASE_SECONDS = 200.0
DETAILS = "Said by the simulator."
TO = "+919012345678"


@dataclass(frozen=True)
class Told:
    """What somebody who uses the API learns of a code."""

    message: dict[str, Any]
    tenant: dict[str, Any]
    posts: int
    opted_out: bool

    @property
    def refusal(self) -> dict[str, Any]:
        """Of the timeline, the entry of Graph's answer."""
        [entry] = [e for e in self.message["timeline"] if e.get("code") is not None]
        return dict(entry)

    @property
    def wait(self) -> float:
        """Seconds from the answer to the next try that it led to."""
        return (_time(self.refusal["until"]) - _time(self.refusal["at"])).total_seconds()


@pytest.fixture(scope="module")
def told(servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Told]]:
    name = f"test_{secrets.token_hex(6)}"
    settings = Settings(
        _env_file=None,
        mongo_uri=servers.mongo_uri.replace("/pocdb", f"/{name}"),
        redis_host=servers.redis_host,
        redis_port=servers.redis_port,
        master_key="ab" * 32,
        app_secret=APP_SECRET,
        retry_base_seconds=RETRY_BASE_SECONDS,
        MANYLINE_DATA_DIR=tmp_path_factory.mktemp("data"),
    )
    with Redis(servers.redis_host, servers.redis_port) as redis:
        redis.flushall()
    yield asyncio.run(_all_codes(settings))


async def _all_codes(settings: Settings) -> dict[int, Told]:
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(
            Simulator(SimulatorSettings(app_secret=APP_SECRET, statuses=[]))
        )
        settings = settings.model_copy(update={"graph_base_url": simulator.base_url})
        url = await stack.enter_async_context(running_api(settings))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        backend = Backend(settings, url, session)
        stack.push_async_callback(backend.close)
        simulator.set_faults(*(_fault(code) for code in CATALOGUE))
        sent = {code: await _send(backend, code) for code in CATALOGUE}
        await backend.start_worker()
        for tenant_id, message_id in sent.values():
            await eventually(_answered(backend, tenant_id, message_id), within=30)
        return {code: await _look(backend, simulator, code, *ids) for code, ids in sent.items()}


def _fault(code: int) -> dict[str, Any]:
    fault = {"kind": "error", "code": code, "details": DETAILS}
    return {"fault": fault, "match": {"phone_number_id": _number(code)}, "times": 1}


async def _send(backend: Backend, code: int) -> tuple[str, str]:
    tenant_id = await backend.register(_number(code))
    return tenant_id, await backend.sent(tenant_id, to=TO)


def _answered(backend: Backend, tenant_id: str, message_id: str) -> Callable[[], Any]:
    """Whether Graph's answer is settled; one that waits a second or two was by then sent."""

    async def condition() -> bool:
        message = await backend.message(tenant_id, message_id)
        refused = any(entry.get("code") is not None for entry in message["timeline"])
        code = message["error"]["code"] if message["error"] else None
        if code is not None and CATALOGUE[code].error_class in PASSING:
            return False
        return refused and message["status"] != "sending"

    return condition


async def _look(
    backend: Backend, simulator: Simulator, code: int, tenant_id: str, message_id: str
) -> Told:
    tenant = await backend.call("GET", f"/tenants/{tenant_id}")
    people = await backend.call("GET", f"/tenants/{tenant_id}/customers")
    [customer] = people.body["items"]
    entries = simulator.journal.select(phone_number_id=_number(code))
    return Told(
        message=await backend.message(tenant_id, message_id),
        tenant=tenant.body,
        posts=len(entries),
        opted_out=customer["optedOutAt"] is not None,
    )


def _number(code: int) -> str:
    return f"{100_000_000_000_000 + code}"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


# These waits are over within seconds, and then the message is sent.
PASSING = {ErrorClass.WAIT_NUMBER, ErrorClass.WAIT_PAIR}
STATE = {
    ErrorClass.BACKOFF: ("queued", 1, "active"),
    ErrorClass.WAIT_NUMBER: ("sent", 1, "active"),
    ErrorClass.WAIT_PAIR: ("sent", 1, "active"),
    ErrorClass.WAIT_APP: ("queued", 0, "active"),
    ErrorClass.WAIT_LONG: ("queued", 0, "active"),
    ErrorClass.RECIPIENT: ("failed", 1, "active"),
    ErrorClass.CONTENT: ("failed", 1, "active"),
    ErrorClass.TOKEN: ("queued", 0, "paused"),
    ErrorClass.ACCOUNT: ("queued", 0, "paused"),
    ErrorClass.NUMBER: ("queued", 0, "paused"),
}


def _delays(row: ErrorRow) -> tuple[float, float] | None:
    """The shortest and the longest wait after the first answer with this error, in seconds."""
    own = row.delay.total_seconds() if row.delay else 0.0
    match row.error_class:
        case ErrorClass.BACKOFF:
            return max(own, RETRY_BASE_SECONDS / 2), max(own, RETRY_BASE_SECONDS)
        case ErrorClass.WAIT_NUMBER:
            return 1.0, 2.0
        case ErrorClass.WAIT_PAIR:
            return 1.0, 1.0
        case ErrorClass.WAIT_APP | ErrorClass.WAIT_LONG:
            return own, own
    return None


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_code_leads_to_the_state_the_delay_and_the_words_of_its_row(
    told: dict[int, Told], code: int
) -> None:
    row, seen = CATALOGUE[code], told[code]
    message = seen.message
    assert (message["status"], message["attempts"], seen.tenant["status"]) == STATE[row.error_class]
    assert seen.posts == (2 if row.error_class in PASSING else 1)
    assert seen.refusal["code"] == code
    assert seen.refusal["fbtraceId"]
    assert DETAILS in seen.refusal["text"] + (seen.refusal["details"] or "")
    assert seen.opted_out == (code == 131050)
    if (delays := _delays(row)) is not None:
        shortest, longest = delays
        assert shortest <= seen.wait <= longest + 0.001
    if row.error_class not in PASSING:
        error = message["error"]
        assert (error["class"], error["meaning"]) == (row.error_class.value, row.meaning)
        assert (error["fix"], error["href"], error["details"]) == (row.fix, row.href, DETAILS)
        assert error["platformDoes"] == PLATFORM_DOES[row.error_class]
    if seen.tenant["status"] == "paused":
        assert seen.tenant["pausedCode"] == code
        assert row.meaning in seen.tenant["pausedReason"]
        assert row.fix in seen.tenant["pausedReason"]
