"""The way out, on a worker and a simulator: each message in a state that is true."""

import asyncio
import json
from typing import Any

import pytest

ONE, TWO = "111111111111111", "222222222222222"


def posts(simulator: Any, message_id: str | None = None) -> list[Any]:
    entries = simulator.journal.entries
    return [e for e in entries if message_id in (None, e.biz_opaque_callback_data)]


async def test_sent_delivered_and_read(backend: Any, simulator: Any) -> None:
    tenant_id = await backend.register()
    await backend.start_worker()
    message_id = await backend.sent(tenant_id, to="919012345678", text="héllo")
    message = await backend.until_status(tenant_id, message_id, "read")
    [post] = posts(simulator)
    assert (post.phone_number_id, post.to, post.body) == (ONE, "+919012345678", "héllo")
    assert post.biz_opaque_callback_data == message_id
    assert message["waMessageId"] == post.wamid
    assert message["error"] is None
    assert message["nextAttemptAt"] is None
    assert message["statusAt"].keys() == {"queued", "sending", "sent", "delivered", "read"}
    assert message["statusAt"]["queued"] <= message["statusAt"]["sending"]


async def test_a_mock_token_is_sent_without_a_call(backend: Any, simulator: Any) -> None:
    tenant_id = await backend.register(accessToken="mock_x")
    await backend.start_worker()
    ids = await asyncio.gather(*(backend.sent(tenant_id) for _ in range(20)))
    messages = [await backend.until_status(tenant_id, each, "sent") for each in ids]
    assert len({message["waMessageId"] for message in messages}) == 20
    assert posts(simulator) == []


async def test_a_customers_message_is_answered_and_read(
    backend: Any, simulator: Any, eventually: Any
) -> None:
    tenant_id = await backend.register()
    await backend.start_worker()
    order = {"phone_number_id": ONE, "from": "919111111111", "text": "hi", "copies": 3}
    await simulator.inbound(order)

    async def answered() -> Any:
        both = await backend.messages(tenant_id)
        return both if len(both) == 2 and both[1]["status"] == "read" else None

    [_, reply] = await eventually(answered)
    [post] = posts(simulator)
    assert post.body == reply["body"] == "thanks for reaching us\n- team Tenant A"
    assert post.to == "+919111111111"


async def test_five_refusals_are_final_and_the_reason_is_kept(backend: Any, simulator: Any) -> None:
    tenant_id = await backend.register()
    simulator.set_faults({"fault": {"kind": "error", "code": 131016, "details": "Overloaded."}})
    await backend.start_worker()
    message_id = await backend.sent(tenant_id)
    message = await backend.until_status(tenant_id, message_id, "failed")
    assert message["attempts"] == 5
    assert (message["error"]["code"], message["error"]["details"]) == (131016, "Overloaded.")
    assert message["error"]["title"]
    assert message["error"]["fbtraceId"]
    assert "failed" in message["statusAt"]
    gaps = [b.at - a.at for a, b in zip(posts(simulator), posts(simulator)[1:], strict=False)]
    base = backend.settings.retry_base_seconds
    assert len(gaps) == 4
    for attempt, gap in enumerate(gaps, 1):
        assert gap >= base * 2 ** (attempt - 1) / 2 * 0.9


async def test_a_refusal_that_passes_leaves_no_trace_of_an_error(
    backend: Any, simulator: Any
) -> None:
    tenant_id = await backend.register()
    simulator.set_faults({"fault": {"kind": "error", "code": 2}, "times": 2})
    await backend.start_worker()
    message_id = await backend.sent(tenant_id)
    message = await backend.until_status(tenant_id, message_id, "read")
    assert message["error"] is None
    assert len(posts(simulator, message_id)) == 3


async def test_one_poisoned_answer_costs_no_other_its_own(backend: Any, simulator: Any) -> None:
    """Settlements share a write. An error whose code nobody can read did not come from Graph."""
    tenant_id = await backend.register()
    words = json.dumps({"error": {"code": 2**70, "message": "\ud800", "fbtrace_id": "\udfff"}})
    poison = {"kind": "http", "status": 400, "body": words}
    simulator.set_faults({"fault": poison, "match": {"to": "+919012340000"}, "times": 2})
    ids = [await backend.sent(tenant_id, to=f"+9190123400{n:02}") for n in range(20)]
    await backend.start_worker()
    for each in ids:
        await backend.until_status(tenant_id, each, "read")
    first = await backend.message(tenant_id, ids[0])
    assert first["attempts"] == 1
    assert len(posts(simulator, ids[0])) == 3


IN_DOUBT = {
    "no answer": {"kind": "hang", "point": "after_accept"},
    "a reset": {"kind": "reset", "point": "after_accept"},
    "a slow drip": {"kind": "slow_drip", "seconds": 30.0},
    "a proxy's page": {"kind": "http", "status": 502, "point": "after_accept"},
    "no answer, not taken": {"kind": "hang", "point": "before_accept"},
    "a reset, not taken": {"kind": "reset", "point": "before_accept"},
}


@pytest.mark.parametrize("name", IN_DOUBT)
async def test_when_nobody_knows_it_says_so_and_never_sends_again(
    backend: Any, simulator: Any, name: str
) -> None:
    tenant_id = await backend.register()
    webhook_url, simulator.settings.webhook_url = simulator.settings.webhook_url, None
    simulator.set_faults({"fault": IN_DOUBT[name], "times": 1})
    await backend.start_worker()
    message_id = await backend.sent(tenant_id)
    message = await backend.until_status(tenant_id, message_id, "in_doubt")
    assert message["error"]["title"]
    # It holds up nobody: the next to the same recipient goes.
    simulator.settings.webhook_url = webhook_url
    later = await backend.sent(tenant_id)
    await backend.until_status(tenant_id, later, "read")
    assert len(posts(simulator, message_id)) == 1
    assert (await backend.message(tenant_id, message_id))["status"] == "in_doubt"


async def test_a_doubt_ends_with_the_status(backend: Any, simulator: Any) -> None:
    tenant_id = await backend.register()
    simulator.settings.status_delay = 0.8  # Past the deadline of the call.
    simulator.set_faults({"fault": {"kind": "hang", "point": "after_accept"}, "times": 1})
    await backend.start_worker()
    message_id = await backend.sent(tenant_id)
    await backend.until_status(tenant_id, message_id, "in_doubt")
    message = await backend.until_status(tenant_id, message_id, "sent", "delivered", "read")
    [post] = posts(simulator)
    assert message["waMessageId"] == post.wamid
    assert message["error"] is None


async def test_a_status_may_come_before_the_answer(backend: Any, simulator: Any) -> None:
    tenant_id = await backend.register()
    simulator.set_faults(
        {"fault": {"kind": "error", "code": 2}, "times": 1}, {"fault": "early_status"}
    )
    await backend.start_worker()
    ids = [await backend.sent(tenant_id, text=f"{n}") for n in range(5)]
    for each in ids:
        message = await backend.until_status(tenant_id, each, "read")
        assert message["error"] is None
        assert message["attempts"] == len(posts(simulator, each))
    taken = [post for post in posts(simulator) if post.outcome == "accepted"]
    assert [post.biz_opaque_callback_data for post in taken] == ids


async def test_graph_that_cannot_be_reached_costs_no_attempt(
    open_backend: Any, simulator: Any, unused_port: int, eventually: Any
) -> None:
    backend = await open_backend(
        app_secret="an-app-secret", graph_base_url=f"http://127.0.0.1:{unused_port}"
    )
    tenant_id = await backend.register()
    await backend.start_worker()
    ids = [await backend.sent(tenant_id, to=f"+91901234567{n}") for n in range(3)]

    async def all_waiting() -> bool:
        messages = await backend.messages(tenant_id)
        return all(m["status"] == "queued" and m["error"] for m in messages)

    await eventually(all_waiting)
    for message in await backend.messages(tenant_id):
        assert message["attempts"] == 0
        assert "could not be reached" in message["error"]["title"]
        assert message["nextAttemptAt"]

    from graphsim.simulator import Simulator

    async with Simulator(simulator.settings, port=unused_port) as graph:
        graph.settings.webhook_url = backend.url + "/whatsapp/webhook"
        for each in ids:
            message = await backend.until_status(tenant_id, each, "read")
            assert message["error"] is None
        assert sorted(e.biz_opaque_callback_data for e in posts(graph)) == sorted(ids)


async def test_a_message_too_old_fails_without_a_call(open_backend: Any, simulator: Any) -> None:
    backend = await open_backend(graph_base_url=simulator.base_url, message_expiry_seconds=0.001)
    tenant_id = await backend.register()
    message_id = await backend.sent(tenant_id)
    await backend.start_worker()
    message = await backend.until_status(tenant_id, message_id, "failed")
    assert "expired" in message["error"]["title"]
    assert posts(simulator) == []
    assert message["waMessageId"] is None


async def test_a_paused_tenant_keeps_its_queue_and_a_resumed_one_drains_it(
    backend: Any, simulator: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = await backend.register()
    other = await backend.register(TWO)
    ids = [await backend.sent(tenant_id, to=f"+91901234567{n}") for n in range(5)]
    await backend.patch(tenant_id, status="paused")
    worker = await backend.start_worker()
    marker = await backend.sent(other)
    await backend.until_status(other, marker, "read")
    await worker.relay.round()
    assert {m["status"] for m in await backend.messages(tenant_id)} == {"queued"}
    assert len(posts(simulator)) == 1

    await backend.patch(tenant_id, status="active")
    for each in ids:
        await backend.until_status(tenant_id, each, "read")
    assert len(posts(simulator)) == 6


async def test_production_never_calls_a_mock_send_sent(open_backend: Any) -> None:
    """Also when the token was stored while the same data was a development machine's."""
    development = await open_backend()
    tenant_id = await development.register(accessToken="mock_stored_earlier")
    message_id = await development.sent(tenant_id)
    production = await open_backend(
        environment="production", app_secret="s", admin_api_key="a-key-of-the-operator"
    )
    await production.start_worker()
    await development.until_status(tenant_id, message_id, "failed")
    message = await development.message(tenant_id, message_id)
    assert message["waMessageId"] is None
    assert "mock_" in message["error"]["title"]


async def test_the_number_that_graph_knows_somebody_by_is_noted(
    backend: Any, simulator: Any, database: Any, eventually: Any
) -> None:
    tenant_id = await backend.register()
    body = {
        "messaging_product": "whatsapp",
        "contacts": [{"input": "+14155550100", "wa_id": "14155550199"}],
        "messages": [{"id": "wamid.told-by-another-number"}],
    }
    told = {"kind": "http", "status": 200, "body": json.dumps(body)}
    simulator.set_faults({"fault": told, "times": 1})
    await backend.start_worker()
    message_id = await backend.sent(tenant_id, to="+14155550100")
    await backend.until_status(tenant_id, message_id, "sent")

    async def known_by_both() -> Any:
        return await database.customers.find_one(
            {"identities": {"$all": ["tel:+14155550100", "tel:+14155550199"]}}
        )

    await eventually(known_by_both)


async def test_a_refused_token_is_called_with_once(
    backend: Any, simulator: Any, eventually: Any
) -> None:
    """The tenant is paused before its message is queued again."""
    tenant_id = await backend.register()
    await backend.start_worker()
    simulator.set_faults({"fault": {"kind": "error", "code": 190}})
    await backend.sent(tenant_id)

    async def paused() -> bool:
        tenant = await backend.call("GET", f"/tenants/{tenant_id}")
        return bool(tenant.body["status"] == "paused")

    await eventually(paused)
    assert len(posts(simulator)) == 1
