"""Streams of events over whole processes: a stop does not wait for those who listen."""

import http.client
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import StartUp
from tests.e2e.system import System, request


@pytest.fixture
def listening(start_up: StartUp) -> Iterator[tuple[System, list[http.client.HTTPResponse]]]:
    """A system, and three readers of a tenant's events."""
    system = start_up().wait_ready()
    body = {"name": "A", "phoneNumberId": "111111111111111", "accessToken": "mock_a"}
    tenant = request(f"{system.url}/tenants/register", body=body).json["tenantId"]
    place = urlsplit(system.url)
    connections = [
        http.client.HTTPConnection(place.hostname or "", place.port, timeout=20) for _ in range(3)
    ]
    answers = []
    for connection in connections:
        connection.request("GET", f"/tenants/{tenant}/events")
        answers.append(connection.getresponse())
        assert answers[-1].status == 200
    sent = {"to": "+919012345678", "text": "hello"}
    assert request(f"{system.url}/tenants/{tenant}/send", body=sent).status == 200
    yield system, answers
    for connection in connections:
        connection.close()


def test_a_stop_ends_every_stream_in_order_and_in_time(
    listening: tuple[System, list[http.client.HTTPResponse]],
) -> None:
    system, answers = listening
    for answer in answers:
        kinds = [line for line in iter(answer.readline, b"event: status\n") if line[:5] == b"event"]
        assert kinds == [b"event: message\n"]
    began = time.monotonic()
    assert system.stop() == 0
    assert time.monotonic() - began < 5
    for answer in answers:
        # To its very end: a connection that was cut would raise here.
        answer.read()
    assert "api.stopped" in (system.data / "logs" / "api.log").read_text()
