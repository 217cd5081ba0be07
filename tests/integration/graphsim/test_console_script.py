"""The console script as an operator starts it: a process of its own."""

import asyncio
import errno
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

SCRIPT = Path(sys.executable).with_name("graphsim")


async def start(*options: str, **environment: str) -> asyncio.subprocess.Process:
    inherited = {"PATH": os.environ["PATH"]}
    return await asyncio.create_subprocess_exec(
        str(SCRIPT),
        *options,
        env={**inherited, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def running(*options: str, **environment: str) -> AsyncIterator[tuple[str, int]]:
    """Base URL and process id; the process is ended by the test or here."""
    process = await start(*options, **environment)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(10):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("graphsim is ready on http://127.0.0.1:")
        yield line.split()[-1], process.pid
        async with asyncio.timeout(2):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        _, errors = await process.communicate()
    assert errors == b""


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_ready_then_resets_and_hangs_then_a_signal_stops_it(
    signal_number: signal.Signals,
) -> None:
    async with (
        running("--port", "0", "--no-statuses", GRAPHSIM_REQUIRE_TOKEN="EAAG") as (url, pid),
        aiohttp.ClientSession(headers={"Authorization": "Bearer EAAG-1"}) as session,
    ):
        message = {"messaging_product": "whatsapp", "to": "+919", "text": {"body": "hi"}}
        messages = f"{url}/v26.0/111/messages"
        async with session.post(messages, json=message) as response:
            assert response.status == 200
        async with session.post(
            messages, json=message, headers={"Authorization": "Bearer other"}
        ) as response:
            assert response.status == 401
        rules = [{"fault": "reset", "times": 1}, {"fault": "hang"}]
        async with session.post(f"{url}/_sim/faults", json=rules) as response:
            assert response.status == 200
        with pytest.raises(aiohttp.ClientOSError) as failed:
            await session.post(messages, json=message)
        assert failed.value.errno == errno.ECONNRESET
        hung = asyncio.create_task(session.post(messages, json=message).__aenter__())
        async with session.get(f"{url}/_sim/settings") as response:
            assert (await response.json())["statuses"] == []
        os.kill(pid, signal_number)
        assert isinstance((await asyncio.gather(hung, return_exceptions=True))[0], Exception)


async def failure(*options: str, **environment: str) -> tuple[int, str]:
    process = await start(*options, **environment)
    async with asyncio.timeout(10):
        output, errors = await process.communicate()
    assert output == b""
    assert process.returncode is not None
    return process.returncode, errors.decode()


async def test_a_taken_port_or_a_bad_option_is_one_line_and_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        outcomes = await asyncio.gather(
            failure("--port", port),
            failure("--bogus"),
            failure(GRAPHSIM_PORT="many"),
            failure("--webhook-url", "nonsense"),
        )
    for code, line in outcomes:
        assert code != 0
        assert line.startswith("graphsim: ")
        assert line.count("\n") == 1
    assert f"127.0.0.1:{port}" in outcomes[0][1]
    assert "--bogus" in outcomes[1][1]
    assert "GRAPHSIM_PORT" in outcomes[2][1]
    assert "webhook_url" in outcomes[3][1]
