"""The seeds' quick test, word for word, from the registration to the reply that is `sent`."""

from typing import Any

REGISTER = {
    "name": "Tenant A",
    "phoneNumberId": "111111111111111",
    "accessToken": "mock_token_tenant_A",
}
WEBHOOK = {
    "entry": [
        {
            "changes": [
                {
                    "value": {
                        "metadata": {"phone_number_id": "111111111111111"},
                        "messages": [
                            {
                                "from": "+919111111111",
                                "id": "wamid.123",
                                "type": "text",
                                "text": {"body": "hi"},
                            }
                        ],
                    }
                }
            ]
        }
    ]
}


async def test_testing_quickly(open_backend: Any, eventually: Any) -> None:
    backend = await open_backend()
    await backend.start_worker()
    registered = await backend.call("POST", "/tenants/register", json=REGISTER)
    assert registered.status == 201
    assert registered.body["ok"] is True
    tenant_id = registered.body["tenantId"]

    taken = await backend.call("POST", "/whatsapp/webhook", json=WEBHOOK)
    assert taken.status == 200

    async def answered() -> Any:
        both = await backend.messages(tenant_id)
        return both if [m["status"] for m in both] == ["received", "sent"] else None

    inbound, reply = await eventually(answered)
    assert (inbound["direction"], inbound["body"], inbound["from"]) == ("IN", "hi", "+919111111111")
    assert inbound["waMessageId"] == "wamid.123"
    assert (reply["direction"], reply["to"]) == ("OUT", "+919111111111")
    assert reply["body"] == "thanks for reaching us\n- team Tenant A"
    assert reply["content"] == {"type": "text", "text": {"body": reply["body"]}}
    assert reply["idempotencyKey"] == "auto-reply:wamid.123"
    assert reply["waMessageId"].startswith("wamid.")
    assert set(reply["statusAt"]) >= {"queued", "sending", "sent"}


async def test_send_as_in_the_seeds(open_backend: Any) -> None:
    backend = await open_backend()
    tenant_id = await backend.register(accessToken="mock_token_tenant_A")
    given = {"to": "+919012345678", "text": "Hello there", "idempotency_key": "order-1234"}
    answer = await backend.call("POST", f"/tenants/{tenant_id}/send", json=given)
    assert answer.status == 200
    assert answer.body == {
        "ok": True,
        "idempotency_key": "order-1234",
        "messageId": answer.body["messageId"],
    }
    assert "Idempotent-Replayed" not in answer.headers
    stored = await backend.message(tenant_id, answer.body["messageId"])
    assert (stored["status"], stored["to"], stored["body"]) == (
        "queued",
        "+919012345678",
        "Hello there",
    )


async def test_the_handshake(open_backend: Any) -> None:
    backend = await open_backend()
    path = "/whatsapp/webhook?hub.mode=subscribe&hub.challenge=CHALLENGE&hub.verify_token="
    right = await backend.call("GET", path + "a-verify-token")
    assert (right.status, right.body) == (200, b"CHALLENGE")
    for wrong in (path, path + "other", path.replace("subscribe", "x") + "a-verify-token"):
        assert (await backend.call("GET", wrong)).status == 403


async def test_health(open_backend: Any, eventually: Any) -> None:
    backend = await open_backend()
    for method in ("GET", "HEAD"):
        assert (await backend.call(method, "/health")).status == 200
        assert (await backend.call(method, "/health/ready")).status == 200
    ready = await backend.call("GET", "/health/ready")
    assert (ready.status, ready.body["status"]) == (200, "degraded")
    assert ready.body["checks"]["worker"]["state"] == "missing"
    await backend.start_worker()

    async def all_up() -> bool:
        return (await backend.call("GET", "/health/ready")).body["status"] == "ready"

    await eventually(all_up)
    metrics = await backend.call("GET", "/metrics")
    assert b"manyline_http_requests_total" in metrics.body
