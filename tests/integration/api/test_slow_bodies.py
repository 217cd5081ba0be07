"""A body that does not come to its end in time is answered, and its connection closed."""

import asyncio
from typing import Any
from urllib.parse import urlsplit


async def test_a_body_that_trickles_is_given_up(
    backend: Any, database: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("manyline.entry.api.layers.BODY_SECONDS", 0.2)
    address = urlsplit(backend.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b"POST /whatsapp/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")

    for _ in range(10):
        writer.write(b" ")
        await asyncio.sleep(0.01)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"body_too_slow" in answer
    assert (await backend.webhook({"entry": []})).status == 200
    assert await database.messages.count_documents({}) == 0
