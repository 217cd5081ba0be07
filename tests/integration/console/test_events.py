"""`GET /tenants/{id}/events`: who is told what, over processes, reconnections and slow readers."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId

from graphsim.simulator import Simulator
from manyline.entry.api import event_stream
from manyline.events import hub as hub_module
from manyline.events import listener as listener_module
from tests.integration.console.conftest import Listen


def is_status(*statuses: str) -> Callable[[Any], bool]:
    return lambda told: told.kind == "status" and told.data["status"] in statuses


async def test_a_message_and_its_reply_are_told_with_every_status(
    backend: Any, simulator: Simulator, listen: Listen, text_message: Any, webhook_of: Any
) -> None:
    tenant = await backend.register()
    await backend.start_worker()
    async with listen(backend.url, tenant) as reader:
        message = text_message("where is my order?")
        contacts = [{"wa_id": "919111111111", "profile": {"name": "Asha"}}]
        answer = await backend.webhook(webhook_of(messages=[message], contacts=contacts))
        assert answer.status == 200
        await reader.until(is_status("read"))
    told = reader.told
    assert [one.kind for one in told[:2]] == ["message", "message"]
    inbound, reply = told[0].data, told[1].data
    assert inbound["direction"] == "IN"
    assert inbound["body"] == "where is my order?"
    assert inbound["waMessageId"] == message["id"]
    assert reply["direction"] == "OUT"
    assert reply["source"] == "auto-reply"
    assert reply["conversationId"] == inbound["conversationId"]
    statuses = [one.data for one in told[2:]]
    assert [one["status"] for one in statuses] == ["sent", "delivered", "read"]
    assert {one["messageId"] for one in statuses} == {reply["messageId"]}
    assert all(one["at"].endswith("Z") for one in statuses)
    assert statuses[0]["waMessageId"].startswith("wamid.")
    ids = [one.id for one in told]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


async def test_a_failure_is_told_with_its_error(
    backend: Any, simulator: Simulator, listen: Listen
) -> None:
    tenant = await backend.register()
    await backend.start_worker()
    simulator.set_faults({"fault": {"kind": "error", "code": 131026}})
    async with listen(backend.url, tenant) as reader:
        sent = await backend.sent(tenant)
        failed = await reader.until(is_status("failed"))
    assert failed.data["messageId"] == sent
    assert failed.data["error"]["code"] == 131026
    assert failed.data["error"]["class"] == "recipient"
    assert failed.data["error"]["fix"]


async def test_a_replay_is_told(backend: Any, simulator: Simulator, listen: Listen) -> None:
    tenant = await backend.register()
    await backend.start_worker()
    simulator.set_faults({"fault": {"kind": "error", "code": 131026}, "times": 1})
    async with listen(backend.url, tenant) as reader:
        sent = await backend.sent(tenant)
        await reader.until(is_status("failed"))
        await backend.call("POST", f"/tenants/{tenant}/messages/{sent}/replay")
        await reader.until(is_status("read"))
    statuses = [one.data["status"] for one in reader.told if one.kind == "status"]
    assert statuses == ["failed", "queued", "sent", "delivered", "read"]


async def test_a_pause_and_a_resume_are_told(backend: Any, listen: Listen) -> None:
    tenant = await backend.register(accessToken="EAA-never-to-be-told", appSecret="nor-this")
    async with listen(backend.url, tenant) as reader:
        await backend.patch(tenant, status="paused")
        paused = await reader.until(lambda told: told.kind == "tenant")
        assert paused.data["status"] == "paused"
        assert paused.data["pausedReason"] == "paused by the operator"
        assert paused.data["tenantId"] == tenant
        await backend.patch(tenant, status="active")
        active = await reader.until(lambda told: told.kind == "tenant")
        assert active.data["status"] == "active"
    assert "never-to-be-told" not in str(reader.told)
    assert "nor-this" not in str(reader.told)


async def test_no_tenant_is_told_of_another(backend: Any, listen: Listen) -> None:
    ours = await backend.register()
    theirs = await backend.register("222222222222222")
    await backend.start_worker()
    async with listen(backend.url, ours) as mine, listen(backend.url, theirs) as other:
        for number in range(5):
            await backend.sent(theirs, idempotency_key=f"theirs-{number}")
        last = await backend.sent(ours)
        await mine.until(lambda told: told.data.get("messageId") == last)
        assert [one.data["messageId"] for one in mine.told] == [last]
        for _ in range(5):
            await other.until(lambda told: told.kind == "message")
        assert last not in str(other.told)


async def test_several_processes_tell_the_same(
    backend: Any, open_backend: Any, listen: Listen
) -> None:
    """What one API process takes, and the worker settles, a listener of another is told."""
    second = await open_backend(app_secret="an-app-secret")
    tenant = await backend.register()
    await backend.start_worker()
    async with listen(backend.url, tenant) as here, listen(second.url, tenant) as there:
        sent = await second.sent(tenant)
        for reader in (here, there):
            await reader.until(is_status("read"))
        # Not `at`: a status is told with its message as that stands, and Meta's own `sent` may
        # come between the two readings and say a slightly earlier time.
        assert [(one.id, one.kind, one.data["status"]) for one in here.told] == [
            (one.id, one.kind, one.data["status"]) for one in there.told
        ]
        assert {one.data["messageId"] for one in here.told} == {sent}


async def test_who_comes_back_misses_nothing_and_hears_nothing_twice(
    backend: Any, open_backend: Any, listen: Listen
) -> None:
    """Also on another process: a position is the store's, not a process'."""
    second = await open_backend(app_secret="an-app-secret")
    tenant = await backend.register()
    async with listen(backend.url, tenant) as reader:
        first = await backend.sent(tenant)
        await reader.until(lambda told: told.data["messageId"] == first)
        seen = reader.last_id
    missed = [await backend.sent(tenant) for _ in range(20)]
    async with listen(second.url, tenant, after=seen) as again:
        live = await backend.sent(tenant)
        await again.until(lambda told: told.data["messageId"] == live)
        assert [one.data["messageId"] for one in again.told] == [*missed, live]
    middle = again.told[9].id
    async with listen(backend.url, tenant, after=middle) as third:
        await third.until(lambda told: told.data["messageId"] == live)
        assert [one.data["messageId"] for one in third.told] == [*missed[10:], live]


async def test_the_first_id_is_where_the_listener_began(backend: Any, listen: Listen) -> None:
    """A connection that broke before its first event can be taken up as well."""
    tenant = await backend.register()
    async with listen(backend.url, tenant) as reader:
        first = await backend.sent(tenant)
        lines = [await reader.response.content.readline() for _ in range(2)]
    began = dict(line.decode().strip().split(": ") for line in lines)
    assert began["retry"] == "2000"
    async with listen(backend.url, tenant, after=began["id"]) as again:
        told = await again.event()
    assert told is not None
    assert told.data["messageId"] == first


async def test_a_position_that_is_lost_says_so_and_goes_on(backend: Any, listen: Listen) -> None:
    tenant = await backend.register()
    async with listen(backend.url, tenant) as reader:
        await backend.sent(tenant)
        told = await reader.event()
        assert told is not None
    # The same one in the year 2001, long before anything in this store's oplog.
    old = told.id[:2] + "3A4FC880" + told.id[10:]
    async with listen(backend.url, tenant, after=old) as reader:
        told = await reader.event()
        assert told is not None
        assert told.kind == "reset"
        assert "read the lists anew" in told.data["detail"]
        sent = await backend.sent(tenant)
        await reader.until(lambda one: one.data.get("messageId") == sent)


async def test_a_position_ahead_of_the_store_says_so_and_goes_on(
    backend: Any, listen: Listen
) -> None:
    """One of another store, say: it would be silent until the store gets there."""
    tenant = await backend.register()
    async with listen(backend.url, tenant) as reader:
        await backend.sent(tenant)
        told = await reader.event()
        assert told is not None
    ahead = told.id[:2] + "F0000000" + told.id[10:]
    async with listen(backend.url, tenant, after=ahead) as reader:
        told = await reader.event()
        assert told is not None
        assert told.kind == "reset"
        assert told.id < ahead
        sent = await backend.sent(tenant)
        await reader.until(lambda one: one.data.get("messageId") == sent)


async def test_who_missed_more_than_may_wait_catches_up(
    hubs: list[Any], backend: Any, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In several chunks, while more happens than may wait for a live listener."""
    monkeypatch.setattr(hub_module, "BATCH", 10)
    monkeypatch.setattr(listener_module.Listener.__init__, "__kwdefaults__", {"most_waiting": 20})
    tenant = await backend.register()
    [hub] = hubs
    async with listen(backend.url, tenant) as reader:
        first = await backend.sent(tenant)
        await reader.until(lambda told: told.data["messageId"] == first)
        late = await hub.listen(ObjectId(tenant), after=reader.last_id)
        missed = []
        for _ in range(45):
            missed.append(await backend.sent(tenant))
            await reader.event()
        assert not late.ended.is_set()
        told: list[Any] = []
        while not late.is_live:
            chunk = await hub.replay(late)
            assert len(chunk) <= 10
            told += chunk
        missed.append(await backend.sent(tenant))
        told.append(await late.next())
        hub.leave(late)
        assert [str(event.message.id) for event in told] == missed


async def test_who_catches_up_and_takes_nothing_holds_nobody_up(
    hubs: list[Any], backend: Any, listen: Listen, eventually: Any
) -> None:
    """As many as may catch up at once stand still in the middle of it; another one gets through."""
    tenant = await backend.register()
    async with listen(backend.url, tenant) as reader:
        first = await backend.sent(tenant)
        await reader.until(lambda told: told.data["messageId"] == first)
        seen = reader.last_id
        missed = [await backend.sent(tenant) for _ in range(3)]
        await reader.until(lambda told: told.data["messageId"] == missed[-1])
        deaf: list[bytes] = []

        async def send(message: Any) -> None:
            deaf.append(message.get("body", b""))
            if b"event: message" in deaf[-1]:
                await asyncio.Event().wait()

        async def receive() -> Any:
            await asyncio.Event().wait()

        [hub] = hubs
        stalled = []
        for _ in range(hub_module.REPLAYS_AT_ONCE):
            stream = event_stream.EventStream(hub, await hub.listen(ObjectId(tenant), after=seen))
            stalled.append(asyncio.create_task(stream({"type": "http"}, receive, send)))
        await eventually(lambda: sum(b"event: message" in one for one in deaf) == len(stalled))
        async with listen(backend.url, tenant, after=seen) as again:
            await again.until(lambda told: told.data["messageId"] == missed[-1])
            assert [one.data["messageId"] for one in again.told] == missed
        for task in stalled:
            task.cancel()
        await asyncio.gather(*stalled, return_exceptions=True)


async def test_a_position_that_is_none_of_ours_is_refused(backend: Any) -> None:
    tenant = await backend.register()
    answer = await backend.call(
        "GET", f"/tenants/{tenant}/events", headers={"Last-Event-ID": "42; drop"}
    )
    assert answer.status == 422
    assert "last-event-id" in answer.body["detail"]


async def test_a_tenant_that_is_not_there_is_a_problem(backend: Any) -> None:
    answer = await backend.call("GET", f"/tenants/{'0' * 24}/events")
    assert (answer.status, answer.code) == (404, "tenant_not_found")


async def test_a_silent_stream_says_that_it_is_there_and_moves_its_position(
    backend: Any, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other tenants' traffic moves it, so that coming back does not search through all of that."""
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.1)
    tenant = await backend.register()
    other = await backend.register("222222222222222")
    async with listen(backend.url, tenant) as reader:
        await reader.heartbeat()
        before = reader.last_id
        for number in range(10):
            await backend.sent(other, idempotency_key=str(number))
        async with asyncio.timeout(10):
            while reader.last_id <= before:
                await reader.heartbeat()
        assert reader.told == []


async def test_the_stream_is_open_only_while_somebody_listens(
    hubs: list[Any], backend: Any, listen: Listen, eventually: Any, database: Any
) -> None:
    [hub] = hubs
    tenant = await backend.register()
    assert not hub.is_reading
    assert await _change_streams(database) == 0
    async with listen(backend.url, tenant), listen(backend.url, tenant):
        assert hub.is_reading
        assert await _change_streams(database) == 1
    await eventually(lambda: not hub.is_reading)
    assert await _change_streams(database) == 0
    async with listen(backend.url, tenant) as reader:
        sent = await backend.sent(tenant)
        await reader.until(lambda told: told.data["messageId"] == sent)


async def _change_streams(database: Any) -> int:
    """Cursors of change streams over this test's database that the server holds open."""
    pipeline = [
        {"$currentOp": {"idleCursors": True, "allUsers": True}},
        {"$match": {"ns": {"$regex": f"^{database.name}\\."}, "cursor.tailable": True}},
    ]
    found = await database.client.admin.aggregate(pipeline)
    return len({one["cursor"]["cursorId"] async for one in found})


async def test_a_listener_that_does_not_read_is_dropped_and_holds_nobody_up(
    hubs: list[Any],
    backend: Any,
    listen: Listen,
    eventually: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_stream, "LAST_WORDS_SECONDS", 0.1)
    tenant = await backend.register()
    host, port = backend.url.removeprefix("http://").split(":")
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, (host, int(port)))
        ask = f"GET /tenants/{tenant}/events HTTP/1.1\r\nHost: x\r\n\r\n"
        await loop.sock_sendall(deaf, ask.encode())
        [hub] = hubs
        await eventually(hub._everyone)
        [listener] = hub._everyone()
        async with listen(backend.url, tenant) as reader:
            sent = []
            text = "x" * 4000
            for number in range(listener_module.MOST_WAITING + 1500):
                key = f"many-{number}"
                sent.append(
                    asyncio.create_task(backend.sent(tenant, text=text, idempotency_key=key))
                )
                if len(sent) % 100 == 0:
                    await asyncio.gather(*sent)
                    while len(reader.told) < len(sent):
                        await reader.event()
            assert listener.too_slow
            await eventually(lambda: listener not in hub._everyone())
            assert {one.data["messageId"] for one in reader.told} == {
                task.result() for task in sent
            }


async def test_a_reader_that_goes_is_forgotten(
    hubs: list[Any], backend: Any, listen: Listen, eventually: Any
) -> None:
    tenant = await backend.register()
    async with listen(backend.url, tenant) as stays:
        async with listen(backend.url, tenant):
            assert len(hubs[0]._everyone()) == 2
        await eventually(lambda: len(hubs[0]._everyone()) == 1)
        sent = await backend.sent(tenant)
        await stays.until(lambda told: told.data["messageId"] == sent)


async def test_stopping_ends_every_stream_and_refuses_new_ones(
    hubs: list[Any], backend: Any, listen: Listen
) -> None:
    tenant = await backend.register()
    async with listen(backend.url, tenant) as reader:
        hubs[0].stop()
        async with asyncio.timeout(2):
            assert await reader.event() is None
        answer = await backend.call("GET", f"/tenants/{tenant}/events")
        assert (answer.status, answer.code) == (503, "events_unavailable")


async def test_a_store_that_is_away_for_a_moment_costs_delay_and_no_event(
    servers: Any, backend: Any, listen: Listen
) -> None:
    tenant = await backend.register()
    async with listen(backend.url, tenant) as reader:
        first = await backend.sent(tenant)
        await reader.until(lambda told: told.data["messageId"] == first)
        await servers.kill("mongod")
        await servers.start("mongod")
        second = await _sent_at_last(backend, tenant)
        await reader.until(lambda told: told.data["messageId"] == second)


async def _sent_at_last(backend: Any, tenant: str) -> str:
    async with asyncio.timeout(15):
        while (answer := await backend.send(tenant)).status != 200:
            assert answer.status == 503
            await asyncio.sleep(0.05)
    return str(answer.body["messageId"])


async def test_a_stream_needs_the_operators_key_where_there_is_one(open_backend: Any) -> None:
    guarded = await open_backend(admin_api_key="a-key")
    answer = await guarded.call("GET", f"/tenants/{'0' * 24}/events")
    assert answer.status == 401
