"""Bodies that lie about their end, that are far too large, that come too slowly.

Each gets a clear 4xx or, where nobody waits for an answer any more, none; and the server goes on.
"""

import json
import socket
import time
from contextlib import closing
from urllib.parse import urlsplit

import psutil
import pytest

from tests.e2e.system import System, request, wait_until

HEAD = b"POST /whatsapp/webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = b'{"entry": []}'
MB = 1024 * 1024


def connected(system: System) -> socket.socket:
    address = urlsplit(system.url)
    return socket.create_connection((address.hostname, address.port), timeout=15)


def answer_to(system: System, raw: bytes, *, hang_up: bool = False) -> bytes:
    """All that comes back until the server closes, or until one whole answer is there."""
    with closing(connected(system)) as client:
        client.sendall(raw)
        if hang_up:
            client.shutdown(socket.SHUT_WR)
        return read_answer(client)


def read_answer(client: socket.socket) -> bytes:
    """Up to one whole answer, or to the end of the connection."""
    answer = b""
    try:
        while b"\r\n\r\n" not in answer or not whole(answer):
            more = client.recv(65536)
            if not more:
                break
            answer += more
    except ConnectionError:
        pass
    return answer


def whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(lengths) and len(body) >= int(lengths[0].split(b":")[1])


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def still_well(system: System) -> None:
    good = request(f"{system.url}/whatsapp/webhook", body={"entry": []})
    assert good.status == 200


@pytest.mark.parametrize(
    "body",
    {
        "longer than its chunk says": b"5\r\n" + BODY + b"\r\n0\r\n\r\n",
        "no number": b"zz\r\n" + BODY + b"\r\n0\r\n\r\n",
        "a negative length": b"-1\r\n" + BODY + b"\r\n0\r\n\r\n",
        "an endless number": b"f" * 40 + b"\r\n" + BODY,
        "no line end after a chunk": b"d\r\n" + BODY + b"0\r\n\r\n",
    }.items(),
    ids=lambda one: one[0],
)
def test_a_chunked_body_that_lies_about_its_end(system: System, body: tuple[str, bytes]) -> None:
    answer = answer_to(system, CHUNKED + body[1])
    assert status_of(answer) == 400
    still_well(system)


@pytest.mark.parametrize("head", [CHUNKED, HEAD + b"Content-Length: 500\r\n\r\n"])
def test_a_body_that_ends_before_its_end_is_not_taken(system: System, head: bytes) -> None:
    """Its sender hangs up in mid-body: what came so far would be a whole webhook."""
    part = b"%x\r\n" % 500 + BODY if head is CHUNKED else BODY
    answer = answer_to(system, head + part, hang_up=True)
    assert answer == b"" or status_of(answer) == 400
    still_well(system)


def test_a_webhook_in_honest_chunks_is_taken(system: System) -> None:
    answer = answer_to(
        system, CHUNKED + b"".join(chunk(BODY[n : n + 1]) for n in range(13)) + chunk(b"")
    )
    assert status_of(answer) == 200


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: 13\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 13\r\nContent-Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 1e3\r\n",
        b"Transfer-Encoding: gzip\r\n",
    ],
)
def test_a_body_of_two_lengths_or_of_none_that_is_known(system: System, lengths: bytes) -> None:
    """Somebody in front may read it otherwise, and take its end for another request."""
    answer = answer_to(system, HEAD + lengths + b"\r\n" + BODY)
    assert status_of(answer) in (400, 501), answer
    assert answer.count(b"HTTP/1.1 ") == 1
    still_well(system)


@pytest.mark.parametrize("chunked", [True, False])
def test_twenty_megabytes_are_refused_and_not_kept(system: System, chunked: bool) -> None:
    pid = system.pid_of("api")
    assert pid is not None
    api = psutil.Process(pid)
    before = api.memory_info().rss
    peak = before
    piece = b"a" * MB
    with closing(connected(system)) as client:
        client.sendall(CHUNKED if chunked else HEAD + b"Content-Length: %d\r\n\r\n" % (20 * MB))
        for _ in range(20):
            client.sendall(chunk(piece) if chunked else piece)
            peak = max(peak, api.memory_info().rss)
        if chunked:
            client.sendall(chunk(b""))
        answer = read_answer(client)
        peak = max(peak, api.memory_info().rss)
    assert status_of(answer) == 413
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "body_too_large"
    assert peak - before < 12 * MB
    still_well(system)


def test_an_endless_body_is_cut_off(system: System) -> None:
    piece = chunk(b"a" * MB)
    sent = 0
    with closing(connected(system)) as client:
        client.sendall(CHUNKED)
        try:
            while sent < 300:
                client.sendall(piece)
                sent += 1
        except (ConnectionError, TimeoutError):
            pass
    assert sent < 300
    still_well(system)


def test_many_slow_senders_hold_up_nobody(system: System) -> None:
    slow = [connected(system) for _ in range(200)]
    try:
        for client in slow:
            client.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
        started = time.monotonic()
        for _ in range(10):
            still_well(system)
        assert time.monotonic() - started < 5.0
        for client in slow:
            client.sendall(b" ")
    finally:
        for client in slow:
            client.close()
    wait_until(lambda: request(f"{system.url}/health").status == 200)
