"""A simulator at whose address nobody answers for a while."""

import asyncio
import errno
import json
from typing import Any

import aiohttp
import pytest
import uvloop

from graphsim.settings import Settings
from graphsim.simulator import Simulator

from .conftest import Caller, Receiver, eventually


async def refused(caller: Caller) -> bool:
    """Whether connecting fails at once; a message that is answered must be taken."""
    try:
        async with caller.send() as response:
            assert response.status == 200
            return False
    except aiohttp.ClientConnectorError as error:
        assert error.os_error.errno == errno.ECONNREFUSED
        return True


async def test_connections_are_refused_inside_the_block_and_taken_after_it(
    caller: Caller, simulator: Simulator
) -> None:
    await caller.sent()  # leaves an idle connection
    address = simulator.base_url
    async with simulator.refusing():
        assert await refused(caller)
        assert await refused(caller)
    await caller.sent()
    assert simulator.base_url == address
    assert len(simulator.journal.entries) == 2


async def test_an_idle_connection_is_closed(simulator: Simulator) -> None:
    host, port = simulator.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /v26.0/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n\r\n")
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
    async with simulator.refusing(), asyncio.timeout(5):
        assert b"GREEN" in await reader.read()  # up to the end of the stream
    writer.close()


async def test_a_call_under_way_is_answered(caller: Caller, simulator: Simulator) -> None:
    simulator.settings.latency_seconds = 0.2
    sending = asyncio.create_task(caller.sent())
    await eventually(lambda: len(simulator.journal.entries) == 1)
    async with simulator.refusing():
        assert await sending == simulator.journal.entries[0].wamid
        assert await refused(caller)


async def test_it_can_be_asked_for_some_seconds_through_the_address_itself(
    caller: Caller, simulator: Simulator
) -> None:
    assert await caller.control("POST", "/refuse", {"seconds": 0.3}) == {"ok": True}
    started = asyncio.get_running_loop().time()
    assert await refused(caller)
    async with asyncio.timeout(5):
        while await refused(caller):
            await asyncio.sleep(0.01)
    assert asyncio.get_running_loop().time() - started >= 0.25


async def test_of_several_refusals_the_last_to_end_counts(
    caller: Caller, simulator: Simulator
) -> None:
    async with simulator.refusing():
        await simulator.refuse(0.01)
        async with simulator.refusing():
            pass
        async with asyncio.timeout(5):
            for _ in range(20):
                assert await refused(caller)
                await asyncio.sleep(0.002)
    await caller.sent()


async def test_statuses_still_go_out(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    await caller.sent()
    async with simulator.refusing():
        await receiver.until(lambda: receiver.status_names() == ["sent", "delivered", "read"])


@pytest.mark.parametrize("body", [{}, {"seconds": 0}, {"seconds": "x"}, {"seconds": 1, "n": 1}])
async def test_an_order_that_makes_no_sense_is_400(caller: Caller, body: Any) -> None:
    url = f"{caller.simulator.base_url}/_sim/refuse"
    async with caller.session.post(url, json=body) as response:
        assert response.status == 400


async def test_a_simulator_that_refuses_can_be_stopped_and_gives_its_port_back() -> None:
    async with Simulator() as simulator:
        await simulator.refuse(60)
        port = int(simulator.base_url.rsplit(":", 1)[1])
    async with Simulator(port=port) as again:
        assert again.base_url.endswith(f":{port}")


async def test_a_call_that_hangs_holds_up_neither_the_refusal_nor_the_stop() -> None:
    async with aiohttp.ClientSession() as session, Simulator() as simulator:
        simulator.set_faults({"fault": "hang"})
        sending = asyncio.create_task(Caller(session, simulator).sent())
        await eventually(lambda: len(simulator.journal.entries) == 1)
        async with asyncio.timeout(2):
            async with simulator.refusing():
                assert not sending.done()
            await simulator.refuse(60)
            await simulator.stop()
        with pytest.raises(aiohttp.ClientError):
            await sending


def test_it_works_on_the_event_loop_of_the_console_script_too() -> None:
    async def scenario() -> None:
        async with Simulator(Settings()) as simulator, aiohttp.ClientSession() as session:
            caller = Caller(session, simulator)
            await caller.sent()
            for _ in range(3):
                async with simulator.refusing():
                    assert await refused(caller)
                await caller.sent()

    uvloop.run(scenario())


async def test_a_simulator_that_was_not_started_says_so() -> None:
    with pytest.raises(RuntimeError, match="start it first"):
        await Simulator().refuse(1)
    assert json.dumps(Simulator().settings.shown())
