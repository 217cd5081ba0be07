"""Bad input of every kind: one clear problem, nothing half-written, and the server goes on."""

import asyncio
import io
import json
from itertools import product
from typing import Any

import pytest
from bson import ObjectId

ID = str(ObjectId())


def is_problem(answer: Any) -> bool:
    return (
        answer.headers["Content-Type"] == "application/problem+json"
        and {"type", "code", "status", "detail", "request_id"} <= answer.body.keys()
        and answer.body["request_id"] == answer.headers["X-Request-ID"]
        and answer.body["status"] == answer.status
    )


MISTAKES = [
    ("GET", "/nowhere", 404, "not_found"),
    ("DELETE", "/tenants", 405, "method_not_allowed"),
    ("GET", f"/tenants/{ID}", 404, "tenant_not_found"),
    ("GET", "/tenants/not-an-id", 422, "invalid_request"),
    ("GET", f"/tenants/{ID.upper()}x", 422, "invalid_request"),
    ("GET", f"/tenants/{ID}/messages", 404, "tenant_not_found"),
    ("GET", f"/tenants/{ID}/messages/{ID}", 404, "tenant_not_found"),
    ("GET", f"/tenants/{ID}/messages/x", 422, "invalid_request"),
    ("GET", "/tenants?limit=0", 422, "invalid_request"),
    ("GET", "/tenants?limit=101", 422, "invalid_request"),
    ("GET", "/tenants?limit=many", 422, "invalid_request"),
    ("GET", "/tenants?cursor=nonsense", 400, "bad_cursor"),
    ("GET", "/tenants?cursor=AAAAAAAAAAA", 400, "bad_cursor"),
    ("PATCH", f"/tenants/{ID}", 422, "invalid_request"),
    ("POST", "/tenants/register", 422, "invalid_request"),
]


async def test_each_mistake_has_its_problem(open_backend: Any) -> None:
    backend = await open_backend()
    for method, path, status, code in MISTAKES:
        answer = await backend.call(method, path)
        assert (answer.status, answer.body["code"]) == (status, code), path
        assert is_problem(answer), path


async def test_a_message_that_a_tenant_does_not_have(open_backend: Any) -> None:
    backend = await open_backend()
    tenant_id = await backend.register()
    answer = await backend.call("GET", f"/tenants/{tenant_id}/messages/{ID}")
    assert (answer.status, answer.code) == (404, "message_not_found")
    assert is_problem(answer)


async def test_an_empty_cursor_is_no_cursor(open_backend: Any) -> None:
    backend = await open_backend()
    tenant_id = await backend.register()
    for path in ("/tenants?cursor=", f"/tenants/{tenant_id}/messages?cursor="):
        assert (await backend.call("GET", path)).status == 200


DEEP = 200_000


NO_JSON = [b"", b"{", b"\xff\xfe", b"[" * DEEP + b"]" * DEEP, b'{"name": ' + b"[" * DEEP, b"NaN"]


async def test_a_body_that_is_no_json(open_backend: Any) -> None:
    backend = await open_backend()
    headers = {"Content-Type": "application/json"}
    tenant_id = await backend.register()
    routes = [
        ("POST", "/tenants/register"),
        ("PATCH", f"/tenants/{tenant_id}"),
        ("POST", f"/tenants/{tenant_id}/send"),
    ]
    for raw, (method, path) in product(NO_JSON, routes):
        answer = await backend.call(method, path, data=raw, headers=headers)
        assert answer.status in {400, 422}, (path, raw[:20], answer)
        assert is_problem(answer)


async def test_json_nested_too_deep_for_us_is_a_clients_error(open_backend: Any) -> None:
    """Somewhere below Python's 1,000 levels reading it passes, and working on it does not."""
    backend = await open_backend()
    tenant_id = await backend.register()
    depths = [100, 500, 800, *range(850, 1000, 15)]
    for depth, (opened, closed) in product(depths, [('{"a":', "}"), ("[", "]")]):
        nested = opened * depth + "1" + closed * depth
        raw = f'{{"settings": {nested}, "name": {nested}}}'.encode()
        for method, path in (
            ("PATCH", f"/tenants/{tenant_id}"),
            ("POST", "/tenants/register"),
            ("POST", f"/tenants/{tenant_id}/send"),
        ):
            answer = await backend.call(
                method, path, data=raw, headers={"Content-Type": "application/json"}
            )
            assert answer.status in {400, 422}, (depth, method, path, answer)


async def test_a_field_is_named_and_its_value_is_not_repeated(open_backend: Any) -> None:
    backend = await open_backend()
    tenant_id = await backend.register()
    given = {"to": "+919012345678", "text": 5, "typo": "s3cret", "idempotency_key": ["s3cret"]}
    answer = await backend.call("POST", f"/tenants/{tenant_id}/send", json=given)
    assert answer.status == 422
    fields = {error["field"] for error in answer.body["errors"]}
    assert fields == {"text", "typo", "idempotency_key"}
    assert "s3cret" not in json.dumps(answer.body)
    assert await backend.messages(tenant_id) == []


async def test_an_error_of_ours_is_a_problem_too(
    open_backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("dup key: {body: 'my secret'}")

    backend = await open_backend()
    monkeypatch.setattr("manyline.tenants.service.TenantService.list_page", broken)
    answer = await backend.call("GET", "/tenants")
    assert (answer.status, answer.body["code"]) == (500, "internal")
    assert is_problem(answer)
    assert "secret" not in answer.body["detail"]


CHUNK = b"x" * 65_536


async def chunks(total: int) -> Any:
    for _ in range(total // len(CHUNK)):
        yield CHUNK


async def test_a_body_over_three_megabytes_is_seen_as_413(open_backend: Any) -> None:
    backend = await open_backend()
    for megabytes, path in product([4, 20], ["/whatsapp/webhook", "/tenants/register"]):
        size = megabytes * 1024 * 1024
        for body in (chunks(size), io.BytesIO(b"x" * size)):
            answer = await backend.call("POST", path, data=body)
            assert (answer.status, answer.body["code"]) == (413, "body_too_large")
        assert (await backend.call("GET", "/health")).status == 200


async def test_a_chunked_body_that_lies_about_its_end(open_backend: Any) -> None:
    backend = await open_backend()
    host, port = backend.url.removeprefix("http://").split(":")
    for tail in (b"zz\r\nnonsense\r\n", b"5\r\nabc", b""):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /whatsapp/webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            + tail
        )
        writer.write_eof()
        async with asyncio.timeout(5):
            answer = await reader.read()
        assert b" 200 " not in answer.split(b"\r\n")[0]
        writer.close()
        await writer.wait_closed()
    assert (await backend.call("GET", "/health")).status == 200


async def test_production_needs_its_key_everywhere_but_at_the_open_doors(
    open_backend: Any,
) -> None:
    backend = await open_backend(
        environment="production", app_secret="s", admin_api_key="the-operators-key"
    )
    for path in ("/tenants", "/metrics", "/docs", "/openapi.json", f"/tenants/{ID}/messages"):
        refused = await backend.call("GET", path)
        assert (refused.status, refused.body["code"]) == (401, "unauthorized")
        wrong = {"Authorization": "Bearer another"}
        assert (await backend.call("GET", path, headers=wrong)).status == 401
    right = {"Authorization": "Bearer the-operators-key"}
    assert (await backend.call("GET", "/tenants", headers=right)).status == 200
    assert (await backend.call("GET", "/health")).status == 200
    assert (await backend.call("GET", "/health/ready")).status == 200
    assert (await backend.webhook({"entry": []})).status == 200


async def test_production_refuses_to_pretend(open_backend: Any) -> None:
    backend = await open_backend(environment="production", app_secret="s", admin_api_key="key")
    right = {"Authorization": "Bearer key"}
    given = {"name": "A", "phoneNumberId": "111111111111111", "accessToken": "mock_token"}
    answer = await backend.call("POST", "/tenants/register", json=given, headers=right)
    assert (answer.status, answer.body["code"]) == (422, "mock_token_refused")
    real = {**given, "accessToken": "EAAG-a-token"}
    answer = await backend.call("POST", "/tenants/register", json=real, headers=right)
    assert answer.status == 201
    path = f"/tenants/{answer.body['tenantId']}"
    changed = await backend.call("PATCH", path, json={"accessToken": "mock_x"}, headers=right)
    assert (changed.status, changed.body["code"]) == (422, "mock_token_refused")
