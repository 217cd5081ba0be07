"""A stream of events is counted, and its lifetime is not taken for a time to answer."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from starlette.types import Message, Receive, Scope, Send

from manyline.entry.api.layers import EVENTS_PATH, RequestContext
from manyline.entry.api.notes import RequestNotes
from manyline.entry.api.routes.events import event_routes
from manyline.observability.metrics import HttpMetrics


async def answered(route: str, status: int) -> CollectorRegistry:
    """What was counted after one request to this route."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        scope["route"] = SimpleNamespace(path=route)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        pass

    registry = CollectorRegistry()
    scope = {"type": "http", "method": "GET", "path": "/somewhere", "headers": []}
    await RequestContext(app, notes=RequestNotes(HttpMetrics(registry)))(scope, receive, send)
    return registry


@pytest.mark.parametrize(
    ("route", "status", "timed"),
    [(EVENTS_PATH, 200, 0.0), (EVENTS_PATH, 404, 1.0), ("/tenants", 200, 1.0)],
)
async def test_only_what_is_answered_at_once_is_timed(
    route: str, status: int, timed: float
) -> None:
    found = await answered(route, status)
    labels = {"route": route, "status": str(status)}
    assert found.get_sample_value("manyline_http_requests_total", labels) == 1
    count = found.get_sample_value("manyline_http_request_seconds_count", {"route": route})
    assert count == timed


def test_the_path_is_that_of_the_route() -> None:
    nothing = cast("Any", None)
    routes = event_routes(nothing, nothing).routes
    assert [one.path for one in routes if isinstance(one, APIRoute)] == [EVENTS_PATH]
