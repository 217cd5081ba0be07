"""How an answer reaches the caller, or does not: written whole, dripped, never, or cut off.

The server cancels a handler when its caller goes away, so whatever waits here ends then.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from aiohttp import web

from graphsim.fault_rules import CallFault, Hang, Http, Late, Reset, SlowDrip
from graphsim.identifiers import waba_id
from graphsim.payloads import meta_json

GRAPH_CONTENT_TYPE = "application/json; charset=UTF-8"
_LINGER_ZERO = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Written:
    """What went to the caller, for the server to hang up on or go on after."""

    response: web.StreamResponse
    whole: bool
    """False when the caller was gone before the end of it."""


def graph_answer(
    value: Mapping[str, Any],
    *,
    http_status: int = 200,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> web.Response:
    """A JSON answer as Graph gives it."""
    return web.Response(
        body=meta_json(value),
        status=http_status,
        headers={"Content-Type": GRAPH_CONTENT_TYPE, **headers},
    )


def usage_header(phone_number_id: str, *, percent: int, regain_minutes: int = 0) -> dict[str, str]:
    """How much of a business account's calls is used up, as Graph says it.

    `percent` of the number of calls and of the time spent on them; at 100 calls are refused for
    `regain_minutes`. Source: Graph's "Rate limits" page, "Business use case rate limits".
    """
    used = {"call_count": percent, "total_cputime": percent, "total_time": percent}
    usage = {"type": "whatsapp", **used, "estimated_time_to_regain_access": regain_minutes}
    return {"X-Business-Use-Case-Usage": json.dumps({waba_id(phone_number_id): [usage]})}


async def answer(request: web.Request, plain: web.Response, fault: CallFault | None) -> Written:
    """Answer as `fault` says, or `plain`; does not return when the caller must get nothing."""
    match fault:
        case Hang():
            await never()
        case Reset():
            await reset(request)
        case SlowDrip(seconds=seconds):
            return await drip(request, plain, seconds=seconds)
        case Late(seconds=seconds):
            await asyncio.sleep(seconds)
        case Http():
            return await write(request, _foreign_answer(fault))
    return await write(request, plain)


async def write(request: web.Request, response: web.Response) -> Written:
    """Write the whole of `response` now."""
    try:
        await response.prepare(request)
        await response.write_eof()
    except ConnectionError:
        return Written(response, whole=False)
    return Written(response, whole=True)


async def drip(request: web.Request, plain: web.Response, *, seconds: float) -> Written:
    """Write the body of `plain` one byte at a time, spread over `seconds`."""
    body = plain.body if isinstance(plain.body, bytes) else b""
    response = web.StreamResponse(status=plain.status, headers=plain.headers)
    response.content_length = len(body)
    try:
        await response.prepare(request)
        for byte in body:
            await asyncio.sleep(seconds / len(body))
            await response.write(bytes((byte,)))
        await response.write_eof()
    except ConnectionError:
        return Written(response, whole=False)
    return Written(response, whole=True)


async def never() -> None:
    """Say nothing until the caller gives up or the simulator stops: both cancel this."""
    await asyncio.get_running_loop().create_future()


async def reset(request: web.Request) -> None:
    """End the connection with a TCP RST; does not return, the lost connection cancels it."""
    transport = request.transport
    if transport is not None:
        raw: socket.socket | None = transport.get_extra_info("socket")
        if raw is not None:
            # Linger of zero seconds: close discards what is unsent and answers with RST, not FIN.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()
    await never()


def _foreign_answer(fault: Http) -> web.Response:
    """What a proxy would say; not Graph's."""
    headers = {"Content-Type": fault.content_type}
    return web.Response(status=fault.status, body=fault.text.encode(), headers=headers)
