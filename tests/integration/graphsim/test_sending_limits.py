"""Meta's limits as a caller runs into them, turned on while the simulator runs."""

import asyncio
import json
import time
from collections import Counter
from typing import Any

import pytest

from graphsim.simulator import Simulator

from .conftest import Caller, Receiver, eventually

CUSTOMER = "+919012345678"


async def refused(caller: Caller, **changes: Any) -> tuple[int, dict[str, Any]]:
    """HTTP status and error of a message that is not taken."""
    async with caller.send(**changes) as response:
        answer = await response.json()
        assert "error" in answer, answer
        return response.status, answer["error"]


async def test_a_number_that_goes_too_fast_is_told_130429_and_nothing_of_it_is_taken(
    caller: Caller, simulator: Simulator
) -> None:
    await caller.control("POST", "/settings", {"messages_per_second": 2})
    await caller.sent(to="+1")
    await caller.sent(to="+2")
    status, error = await refused(caller, to="+3")
    assert (status, error["code"]) == (429, 130429)
    assert error["error_data"]["details"] == "Cloud API message throughput has been reached."
    await caller.sent(number="222")
    outcomes = [(entry.outcome, entry.code) for entry in simulator.journal.entries]
    assert outcomes == [("accepted", None)] * 2 + [("error", 130429), ("accepted", None)]


async def test_a_number_gets_its_rate_and_no_more_however_hard_it_is_driven(
    caller: Caller, simulator: Simulator
) -> None:
    simulator.settings.messages_per_second = 100
    started, counted = time.monotonic(), Counter[int]()
    while time.monotonic() - started < 1.0:
        answers = await asyncio.gather(*(caller.send(to=f"+{n}") for n in range(1, 21)))
        for answer in answers:
            counted[answer.status] += 1
            answer.release()
    took = time.monotonic() - started
    assert set(counted) == {200, 429}
    assert 0.95 * 100 * (took + 1.0) - 20 <= counted[200] <= 100 * (took + 1.0) + 1


async def test_a_pair_that_goes_too_fast_is_told_131056_and_others_are_not(caller: Caller) -> None:
    await caller.control("POST", "/settings", {"pair_seconds": 6, "pair_burst": 2})
    await caller.sent()
    await caller.sent()
    status, error = await refused(caller)
    assert (status, error["code"]) == (400, 131056)
    assert "pair rate limit hit" in error["message"]
    await caller.sent(to="+15550001111")


async def test_only_templates_reach_a_customer_who_has_not_written(
    caller: Caller, simulator: Simulator
) -> None:
    await caller.control("POST", "/settings", {"window_seconds": 86_400})
    status, error = await refused(caller)
    assert (status, error["code"]) == (400, 131047)
    await caller.sent(type="template", template={"name": "hello_world"})

    order = {"phone_number_id": "111", "from": CUSTOMER, "text": "hi", "wait": True}
    await caller.control("POST", "/inbound", order | {"timestamp": int(time.time()) - 90_000})
    assert (await refused(caller))[1]["code"] == 131047
    await caller.control("POST", "/inbound", order)
    await caller.sent()


async def test_a_closed_window_can_show_in_a_failed_status_as_it_mostly_does_at_meta(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    knobs = {"window_seconds": 86_400, "window_error": "status"}
    await caller.control("POST", "/settings", knobs)
    wamid = await caller.sent()
    await receiver.until(lambda: len(receiver.posts) == 1)
    [status] = receiver.all("statuses")
    assert (status["id"], status["status"]) == (wamid, "failed")
    assert status["errors"][0]["code"] == 131047
    await eventually(lambda: simulator.webhooks.pending == 0)
    assert receiver.status_names() == ["failed"]


async def test_refused_messages_use_up_no_fault(caller: Caller) -> None:
    await caller.control("POST", "/settings", {"window_seconds": 60})
    await caller.faults({"fault": {"kind": "error", "code": 131016}, "times": 1})
    assert (await refused(caller))[1]["code"] == 131047
    await caller.control("POST", "/settings", {"window_seconds": None})
    assert (await refused(caller))[1]["code"] == 131016


async def test_usage_is_told_with_every_answer_about_a_number(caller: Caller) -> None:
    async with caller.send() as response:
        assert "X-Business-Use-Case-Usage" not in response.headers
    await caller.control("POST", "/settings", {"usage_percent": 85})
    url = f"{caller.simulator.base_url}/v26.0/111"
    token = {"Authorization": "Bearer t"}
    for request in (caller.send(), caller.send(text=None), caller.session.get(url, headers=token)):
        async with request as response:
            usage = json.loads(response.headers["X-Business-Use-Case-Usage"])
        assert usage == {
            "2111": [
                {
                    "type": "whatsapp",
                    "call_count": 85,
                    "total_cputime": 85,
                    "total_time": 85,
                    "estimated_time_to_regain_access": 0,
                }
            ]
        }


@pytest.mark.parametrize("code", [4, 80007])
async def test_an_error_can_say_when_calls_are_taken_again(caller: Caller, code: int) -> None:
    await caller.faults({"fault": {"kind": "error", "code": code, "regain_minutes": 7}})
    async with caller.send() as response:
        assert response.status == 429
        assert (await response.json())["error"]["code"] == code
        [usage] = json.loads(response.headers["X-Business-Use-Case-Usage"])["2111"]
    assert (usage["call_count"], usage["estimated_time_to_regain_access"]) == (100, 7)
