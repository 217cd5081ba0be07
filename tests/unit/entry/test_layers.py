"""The layers around every route: id, door, body; and that nothing private gets into a log."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from manyline.entry.api.layers import MAX_BODY_BYTES, BoundedBody, OperatorDoor, RequestContext
from manyline.entry.api.notes import RequestNotes
from manyline.observability.metrics import HttpMetrics


class Answer:
    """What went out."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.raw = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        else:
            self.raw += message.get("body", b"")

    @property
    def problem(self) -> Any:
        return json.loads(self.raw)


async def call(
    app: ASGIApp,
    path: str = "/tenants",
    *,
    method: str = "POST",
    body: Iterable[bytes] = (b"{}",),
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request, its body in the parts given; after the parts the client is gone."""
    parts = list(body)
    sent = [
        {"type": "http.request", "body": part, "more_body": at < len(parts) - 1}
        for at, part in enumerate(parts)
    ]

    async def receive() -> Message:
        return sent.pop(0) if sent else {"type": "http.disconnect"}

    answer = Answer()
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
    }
    await app(scope, receive, answer)
    return answer


class Route:
    """The innermost application: notes bodies, answers 200, or does what it is told."""

    def __init__(self, breaks: Callable[[], None] | None = None) -> None:
        self.bodies: list[bytes] = []
        self._breaks = breaks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            message = await receive()
            assert message["type"] == "http.request"
            assert not message["more_body"]
            self.bodies.append(message["body"])
        if self._breaks:
            self._breaks()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"fine"})


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    with structlog.testing.capture_logs() as captured:
        yield captured  # type: ignore[misc]


def with_context(app: ASGIApp) -> RequestContext:
    return RequestContext(app, notes=RequestNotes(HttpMetrics(CollectorRegistry())))


async def test_a_body_arrives_whole_however_it_was_cut() -> None:
    route = Route()
    assert (await call(BoundedBody(route), body=[b"a", b"", b"bc"])).status == 200
    assert route.bodies == [b"abc"]


async def test_three_megabytes_pass_and_one_byte_more_is_413() -> None:
    route = Route()
    limit = b"x" * MAX_BODY_BYTES
    assert (await call(BoundedBody(route), body=[limit])).status == 200
    refused = await call(BoundedBody(route), body=[limit, b"y", b"z" * 100])
    assert (refused.status, refused.problem["code"]) == (413, "body_too_large")
    assert len(route.bodies) == 1


async def test_a_client_that_leaves_in_mid_body_is_not_answered_and_nothing_runs() -> None:
    route = Route()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    answer = Answer()
    await BoundedBody(route)({"type": "http", "method": "POST", "path": "/"}, receive, answer)
    assert answer.status == 0
    assert route.bodies == []


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manyline.entry.api.layers.BODY_SECONDS", 0.01)

    async def receive() -> Message:
        import asyncio

        await asyncio.Event().wait()
        raise AssertionError

    answer = Answer()
    await BoundedBody(Route())({"type": "http", "method": "POST", "path": "/"}, receive, answer)
    assert (answer.status, answer.problem["code"]) == (408, "body_too_slow")


OPEN = ["/health", "/health/ready", "/whatsapp/webhook"]
CLOSED = ["/tenants", "/metrics", "/docs", "/openapi.json", "/health/", "/Health", "//health", "/"]


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic key", "key", "bearer key",
              "Bearer key ", "Bearer kéy"]
)  # fmt: skip
async def test_the_door_stays_shut_without_the_key(path: str, given: str | None) -> None:
    route = Route()
    headers = {} if given is None else {"Authorization": given}
    answer = await call(OperatorDoor(route, admin_api_key="key"), path, headers=headers)
    assert (answer.status, answer.problem["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert route.bodies == []


async def test_the_door_opens_for_the_key_for_open_paths_and_without_a_key_for_all() -> None:
    door = OperatorDoor(Route(), admin_api_key="key")
    for path in CLOSED:
        assert (await call(door, path, headers={"Authorization": "Bearer key"})).status == 200
        assert (await call(OperatorDoor(Route(), admin_api_key=None), path)).status == 200
    for path in OPEN:
        assert (await call(door, path)).status == 200


async def test_every_answer_carries_the_id_of_its_line_in_the_log(
    lines: list[dict[str, Any]],
) -> None:
    answers = [await call(with_context(Route())) for _ in range(3)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 3
    assert all(request_id.startswith("req_") for request_id in ids)


async def test_what_nobody_expected_is_500_and_its_words_stay_out_of_answer_and_log(
    lines: list[dict[str, Any]],
) -> None:
    """A driver's error quotes the document it was about."""

    def breaks() -> None:
        raise RuntimeError("E11000 dup key: {body: 'my secret', from: '+919111111111'}")

    answer = await call(with_context(Route(breaks)))
    assert (answer.status, answer.problem["code"]) == (500, "internal")
    assert answer.problem["request_id"] == answer.headers["x-request-id"]
    assert any(line["log_level"] == "error" for line in lines)
    told = json.dumps(lines, default=repr) + answer.raw.decode()
    assert "my secret" not in told
    assert "919111111111" not in told
    assert "RuntimeError" in told


async def test_paths_with_ids_are_not_logged_and_no_metric_is_made_of_them(
    lines: list[dict[str, Any]],
) -> None:
    registry = CollectorRegistry()
    app = RequestContext(Route(), notes=RequestNotes(HttpMetrics(registry)))
    await call(app, "/tenants/6521a1b2c3d4e5f601234567/made-up")
    assert "6521a1b2c3d4e5f601234567" not in json.dumps(lines, default=repr)
    labels = {s.labels.get("route") for family in registry.collect() for s in family.samples}
    assert labels == {"unmatched"}
