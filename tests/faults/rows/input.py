"""Bodies that lie, that are far too large, that come too slowly, while everybody else goes on."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from statistics import median
from urllib.parse import urlsplit

import psutil

from tests.e2e.proof.talk import WEBHOOK, Talk, deliver, message, signed, webhook
from tests.faults.row import row
from tests.faults.stage import Stage

MB = 1024 * 1024
LARGE = 20 * MB
MOST_GROWTH_MB = 40
"""Of an API process under bodies of 20 MB, one at a time for each process."""
SLOW_CLIENTS = 200
TIMES = 3
HEAD = f"POST {WEBHOOK} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LIES = {
    "longer than its chunk says": CHUNKED + b"5\r\n" + b"a" * 40 + b"\r\n0\r\n\r\n",
    "a chunk of no number": CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n",
    "an endless number": CHUNKED + b"f" * 40 + b"\r\nabc",
    "two lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabc",
    "a length and chunks": HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
    "ends before its end": HEAD + b"Content-Length: 500\r\n\r\nabc",
}
ANSWER_SECONDS = 2.0
"""The median of an honest webhook while slow ones hold their connections; alone: 10 ms."""


def _signed_garbage() -> Iterator[tuple[str, bytes]]:
    """Meta's signature is right, what it signs is not."""
    yield "no UTF-8", b'{"entry": [{"changes": [{"value": {"x": "\xff\xfe"}}]}]}'
    yield "half a character", webhook("1", []).replace(b"whatsapp", b"what\xc3")
    yield "nested 100,000 deep", b'{"entry": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    yield "cut off", webhook("1", [message("wamid.cut", "919")])[:-7]
    yield "a number of 5,000 digits", b'{"entry": [{"id": ' + b"9" * 5000 + b"}]}"
    yield "nothing", b""


@row(
    done="bad UTF-8, JSON nested 100,000 deep, cut off or with a huge number, rightly signed;"
    " bodies that lie about their end; all of it three times to every API process",
    holds="each is answered, none with 5xx, or its connection is closed; no process dies",
    short=True,
)
async def spoiled_bodies(stage: Stage) -> str:
    answers: dict[str, set[int]] = {}
    async with stage.load() as load:
        for _ in range(TIMES):
            await load.took(15)
            for api in stage.apis:
                for name, body in _signed_garbage():
                    answers.setdefault(name, set()).add(await _post(stage, body))
                for name, raw in LIES.items():
                    status = await _raw(stage.url_of(api), raw)
                    answers.setdefault(name, set()).add(status)
        await load.took(15)
    bad = {name: found for name, found in answers.items() if any(s >= 500 for s in found)}
    assert not bad, f"answered with 5xx: {bad}"
    return "; ".join(f"{name}: {_listed(found)}" for name, found in answers.items())


def _listed(statuses: set[int]) -> str:
    return "/".join(str(status) if status else "closed" for status in sorted(statuses))


async def _post(stage: Stage, body: bytes) -> int:
    url = stage.url + WEBHOOK
    async with stage.session.post(url, data=body, headers=signed(body)) as answer:
        await answer.read()
        return answer.status


async def _raw(url: str, sent: bytes) -> int:
    """The status of the answer, or 0 for a connection that was closed without one."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(sent)
        await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(10):
            answer = await reader.read()
    except ConnectionError:
        answer = b""
    finally:
        writer.close()
    return int(answer.split(b" ", 2)[1]) if answer else 0


@row(
    done="bodies of 20 MB, with a length and in chunks, three times to every API process",
    holds="413 each; no API process grows by more than 40 MB",
)
async def twenty_megabytes(stage: Stage) -> str:
    processes = [psutil.Process(api.pid) for api in stage.apis]
    async with stage.load() as load:
        await load.took(40)
        before = [process.memory_info().rss for process in processes]
        statuses = set()
        for _ in range(TIMES):
            for api in stage.apis:
                for chunked in (False, True):
                    statuses.add(await _large(stage, stage.url_of(api), chunked=chunked))
        grown = [
            (process.memory_info().rss - then) / MB
            for process, then in zip(processes, before, strict=True)
        ]
        await load.took(20)
    assert statuses == {413}, f"answered {statuses}"
    assert max(grown) < MOST_GROWTH_MB, f"grew by {max(grown):.0f} MB"
    return f"{TIMES * 2 * len(stage.apis)} such bodies, grown by {max(0.0, *grown):.0f} MB at most"


async def _large(stage: Stage, url: str, *, chunked: bool) -> int:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(LARGE // MB):
            yield b" " * MB

    headers = {} if chunked else {"Content-Length": str(LARGE)}
    async with stage.session.post(url + WEBHOOK, data=pieces(), headers=headers) as answer:
        await answer.read()
        return answer.status


@row(
    done="200 clients that send a byte of a webhook every tenth of a second, half of them in the"
    " headers, for 6 s",
    holds="honest webhooks are answered meanwhile: the median within 2 s",
)
async def slow_clients(stage: Stage) -> str:
    line = (await stage.register(1))[0]
    talk = Talk(line, stage.new_customer())
    stage.talks.append(talk)
    seconds: list[float] = []
    async with stage.load() as load:
        await load.took(20)
        trickling = [
            asyncio.create_task(_trickle(stage.url, in_headers=place % 2 == 0))
            for place in range(SLOW_CLIENTS)
        ]
        while not all(task.done() for task in trickling):
            wamid = f"wamid.{talk.customer}.{len(seconds):03}"
            began = time.monotonic()
            body = webhook(line.number, [message(wamid, talk.customer)])
            assert await deliver(stage.as_proof, body) == 200
            seconds.append(time.monotonic() - began)
            talk.heard(wamid)
            await asyncio.sleep(0.2)
        for task in trickling:
            task.result()
    said = f"answered within {median(seconds) * 1000:.0f} ms (median), {max(seconds):.2f} s at most"
    assert median(seconds) < ANSWER_SECONDS, said
    return said


async def _trickle(url: str, *, in_headers: bool) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = b"" if in_headers else b"Content-Length: 1000\r\n\r\n"
    writer.write(HEAD + head)
    for _ in range(60):
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.1)
    writer.close()
    del reader
