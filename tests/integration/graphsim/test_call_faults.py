"""Each call fault as the caller sees it, and what the journal says really happened."""

import asyncio
import errno
import time

import aiohttp
import pytest

from graphsim.graph_errors import GRAPH_ERRORS
from graphsim.journal import Entry
from graphsim.simulator import Simulator

from .conftest import Caller, Receiver, eventually


def only_entry(simulator: Simulator) -> Entry:
    [entry] = simulator.journal.entries
    return entry


async def give_up_once_recorded(caller: Caller) -> None:
    """Send, and hang up without an answer as soon as the journal has the POST."""
    sending = asyncio.create_task(caller.send().__aenter__())
    await eventually(lambda: len(caller.simulator.journal.entries) == 1)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_error_is_answered_as_graph_would_and_only_as_often_as_asked(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    await caller.faults(
        {"fault": {"kind": "error", "code": 131016, "details": "Overloaded."}, "times": 1}
    )
    async with caller.send() as response:
        assert response.status == 500
        error = (await response.json())["error"]
    assert error["code"] == 131016
    assert error["error_data"]["details"] == "Overloaded."
    entry = only_entry(simulator)
    assert (entry.outcome, entry.code, entry.wamid, entry.fault) == ("error", 131016, None, "error")

    await caller.sent()
    await receiver.until(lambda: len(receiver.posts) == 3)


@pytest.mark.parametrize(
    ("point", "outcome", "statuses"),
    [("before_accept", "http", 0), ("after_accept", "accepted", 3)],
)
async def test_http_is_an_answer_that_is_not_graphs(
    caller: Caller, receiver: Receiver, point: str, outcome: str, statuses: int
) -> None:
    await caller.faults({"fault": {"kind": "http", "status": 502, "point": point}})
    async with caller.send() as response:
        assert response.status == 502
        assert response.content_type == "text/html"
        assert "Bad Gateway" in await response.text()
    await receiver.until(lambda: len(receiver.posts) == statuses)
    entry = only_entry(caller.simulator)
    assert entry.outcome == outcome
    assert (entry.wamid is not None) == (outcome == "accepted")
    await eventually(lambda: entry.answered)
    assert entry.http_status == 502


@pytest.mark.parametrize(
    ("point", "outcome", "statuses"),
    [("before_accept", "hung", 0), ("after_accept", "accepted", 3)],
)
async def test_hang_is_a_timeout_and_the_journal_knows_whether_it_was_taken(
    caller: Caller, receiver: Receiver, point: str, outcome: str, statuses: int
) -> None:
    await caller.faults({"fault": {"kind": "hang", "point": point}})
    with pytest.raises(TimeoutError):
        await caller.send(within=0.3)
    await receiver.until(lambda: len(receiver.posts) == statuses)
    entry = only_entry(caller.simulator)
    assert (entry.outcome, entry.fault, entry.answered) == (outcome, "hang", False)
    assert (entry.wamid is not None) == (outcome == "accepted")


@pytest.mark.parametrize(
    ("point", "outcome", "statuses"),
    [("before_accept", "reset", 0), ("after_accept", "accepted", 3)],
)
async def test_reset_is_a_connection_reset_and_the_journal_knows_whether_it_was_taken(
    caller: Caller, receiver: Receiver, point: str, outcome: str, statuses: int
) -> None:
    await caller.faults({"fault": {"kind": "reset", "point": point}, "times": 1})
    with pytest.raises(aiohttp.ClientOSError) as failure:
        await caller.send()
    assert failure.value.errno == errno.ECONNRESET
    await receiver.until(lambda: len(receiver.posts) == statuses)
    entry = only_entry(caller.simulator)
    assert (entry.outcome, entry.fault, entry.answered) == (outcome, "reset", False)
    assert (entry.wamid is not None) == (outcome == "accepted")

    await caller.sent()  # the next connection is fine


async def test_reset_shows_on_the_wire_as_rst_without_a_byte(
    caller: Caller, simulator: Simulator
) -> None:
    await caller.faults({"fault": {"kind": "reset", "point": "after_accept"}})
    host, port = simulator.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = b'{"messaging_product":"whatsapp","to":"1","text":{"body":"x"}}'
    writer.write(
        b"POST /v26.0/1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(5):
            await reader.read(1)
    writer.close()
    assert only_entry(simulator).outcome == "accepted"


async def test_late_is_taken_at_once_and_answered_later(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    await caller.faults({"fault": {"kind": "late", "seconds": 0.4}, "times": 1})
    started = time.monotonic()
    sending = asyncio.create_task(caller.sent())
    await receiver.until(lambda: len(receiver.posts) == 3)  # statuses do not wait for the answer
    assert not only_entry(simulator).answered
    assert await sending == only_entry(simulator).wamid
    assert time.monotonic() - started >= 0.4


async def test_late_beyond_the_callers_patience_is_taken_and_not_answered(
    caller: Caller, simulator: Simulator
) -> None:
    await caller.faults({"fault": {"kind": "late", "seconds": 30}})
    await give_up_once_recorded(caller)
    entry = only_entry(simulator)
    assert (entry.outcome, entry.answered) == ("accepted", False)


async def test_slow_drip_comes_byte_by_byte_and_whole_in_the_end(
    caller: Caller, simulator: Simulator
) -> None:
    await caller.faults({"fault": {"kind": "slow_drip", "seconds": 0.2}, "times": 1})
    async with caller.send() as response:
        assert response.status == 200
        pieces = [piece async for piece in response.content.iter_any()]
    assert len(pieces) > 5
    wamid = only_entry(simulator).wamid
    assert wamid is not None
    assert wamid.encode() in b"".join(pieces).replace(b"\\/", b"/")
    await eventually(lambda: only_entry(simulator).answered)


async def test_slow_drip_cut_short_by_the_caller_is_not_answered(
    caller: Caller, simulator: Simulator
) -> None:
    await caller.faults({"fault": {"kind": "slow_drip", "seconds": 30}})
    async with caller.send() as response:
        assert await response.content.readany()
        response.close()
    entry = only_entry(simulator)
    assert (entry.outcome, entry.answered) == ("accepted", False)


async def test_a_fault_strikes_only_whom_it_names(caller: Caller) -> None:
    await caller.faults(
        {"match": {"phone_number_id": "111"}, "fault": {"kind": "error", "code": 131000}}
    )
    async with caller.send(number="111") as response:
        assert response.status == 500
    await caller.sent(number="222")


async def test_faults_are_appended_listed_replaced_and_cleared(caller: Caller) -> None:
    await caller.faults({"fault": "hang"})
    listed = await caller.control("POST", "/faults?append=1", {"fault": "shuffle"})
    assert [rule["fault"]["kind"] for rule in listed] == ["hang", "shuffle"]
    assert await caller.control("GET", "/faults") == listed
    await caller.faults({"fault": "reset"})
    assert len(await caller.control("GET", "/faults")) == 1
    assert await caller.control("DELETE", "/faults") == []
    await caller.sent()


async def test_a_token_check_can_be_disturbed_by_its_path(caller: Caller) -> None:
    await caller.faults(
        {"match": {"path": "/v26.0/111"}, "fault": {"kind": "error", "code": 190}, "times": 1}
    )
    url = f"{caller.simulator.base_url}/v26.0/111"
    statuses = []
    for _ in range(2):
        async with caller.session.get(url, headers={"Authorization": "Bearer t"}) as response:
            statuses.append(response.status)
    assert statuses == [401, 200]


async def test_a_message_can_be_taken_without_anyone_ever_hearing_of_it(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.set_faults(
        {"fault": {"kind": "reset", "point": "after_accept"}}, {"fault": "drop_webhook"}
    )
    with pytest.raises(aiohttp.ClientOSError):
        await caller.send()
    entry = only_entry(simulator)
    assert (entry.outcome, entry.answered) == ("accepted", False)
    assert (simulator.webhooks.dropped, simulator.webhooks.pending) == (3, 0)
    assert receiver.posts == []


async def test_refused_requests_use_up_no_fault(caller: Caller) -> None:
    await caller.faults({"fault": {"kind": "error", "code": 131016}, "times": 1})
    async with caller.send(token=None) as response:
        assert response.status == 401
    async with caller.send() as response:
        assert (await response.json())["error"]["code"] == 131016


async def test_a_caller_that_vanishes_in_mid_call_changes_nothing(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.settings.latency_seconds = 30
    await give_up_once_recorded(caller)
    await receiver.until(lambda: receiver.status_names() == ["sent", "delivered", "read"])
    entry = only_entry(simulator)
    assert (entry.outcome, entry.answered, entry.fault) == ("accepted", False, None)


@pytest.mark.parametrize("status", [302, 403, 404, 502, 599])
async def test_an_answer_that_is_not_graphs_names_its_status_on_a_page(
    caller: Caller, status: int
) -> None:
    await caller.faults({"fault": {"kind": "http", "status": status}})
    async with caller.send(allow_redirects=False) as response:
        assert (response.status, response.content_type) == (status, "text/html")
        assert f"<title>{status} " in await response.text()
    assert only_entry(caller.simulator).outcome == "http"


@pytest.mark.parametrize("code", sorted(GRAPH_ERRORS.keys() - {2500}))
async def test_every_code_of_the_catalogue_can_be_asked_for(
    caller: Caller, simulator: Simulator, code: int
) -> None:
    simulator.set_faults({"fault": {"kind": "error", "code": code}})
    row = GRAPH_ERRORS[code]
    async with caller.send() as response:
        assert response.status == row.http_status
        error = (await response.json())["error"]
    assert error["code"] == code
    assert error["message"] == f"(#{code}) {row.title}"
    assert error["error_data"]["details"] == row.details
    assert error.get("is_transient", False) == row.is_transient


async def test_an_error_can_be_one_that_no_catalogue_knows(caller: Caller) -> None:
    fault = {"kind": "error", "code": 999_999, "status": 503, "is_transient": True, "subcode": 33}
    await caller.faults({"fault": fault})
    async with caller.send() as response:
        assert response.status == 503
        error = (await response.json())["error"]
    assert (error["code"], error["is_transient"], error["error_subcode"]) == (999_999, True, 33)


async def test_reset_before_the_body_is_read_leaves_no_trace_and_shows_as_reset(
    caller: Caller, simulator: Simulator, receiver: Receiver
) -> None:
    fault = {"kind": "reset", "point": "before_read"}
    await caller.faults({"fault": fault, "match": {"phone_number_id": "111"}, "times": 1})
    with pytest.raises(aiohttp.ClientOSError) as failure:
        await caller.send()
    assert failure.value.errno == errno.ECONNRESET
    assert simulator.journal.entries == []
    assert simulator.faults.listing()[0]["struck"] == 1
    assert receiver.posts == []
    await caller.sent()


async def test_reset_before_the_body_is_read_strikes_while_the_body_is_still_on_its_way(
    caller: Caller, simulator: Simulator
) -> None:
    await caller.faults({"fault": {"kind": "reset", "point": "before_read"}})
    host, port = simulator.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /v26.0/1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(5):
            await reader.read(1)
    writer.close()
