"""Headers are bounded before any door: in size, so that they cannot fill the memory."""

import socket
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.e2e.system import System, request


def test_endless_headers_are_answered_and_cut_off(system: System) -> None:
    address = urlsplit(system.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: ")
        answer = b""
        for _ in range(400):
            try:
                client.sendall(b"a" * 4096)
            except OSError:
                break
        try:
            while more := client.recv(4096):
                answer += more
        except ConnectionError:
            pass
        assert not answer or answer.startswith(b"HTTP/1.1 431")
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 70_000)
        assert client.recv(64).startswith(b"HTTP/1.1 431")
    assert request(f"{system.url}/health").status == 200


def test_a_connection_goes_on_after_requests_of_modest_size(system: System) -> None:
    address = urlsplit(system.url)
    connection = HTTPConnection(str(address.hostname), address.port, timeout=10)
    with closing(connection):
        connection.connect()
        first_socket = connection.sock
        for _ in range(20):
            connection.request("GET", "/health", headers={"X-Long": "a" * 8000})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            assert connection.sock is first_socket
