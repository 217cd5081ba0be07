"""The simulator's own HTTP surface, `/_sim/…`: play a customer, read the journal, ask for faults.

A request that cannot be understood is answered 400 with `{"error": "one sentence"}`.
"""

import asyncio
import dataclasses
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import aiohttp
import msgspec
from aiohttp import web

from graphsim.fault_rules import read_rules
from graphsim.inbound import InboundOrder, deliver
from graphsim.journal import Entry
from graphsim.listener import Listener
from graphsim.state import State

_ENTRIES_PER_STEP = 500


class _Refusal(msgspec.Struct, forbid_unknown_fields=True):
    seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)]


class ControlRoutes:
    """Handlers over one `State` and the listener through which they are reached."""

    def __init__(self, state: State, listener: Listener) -> None:
        self._state = state
        self._listener = listener

    def table(self) -> list[web.RouteDef]:
        """All of them under `/_sim/`."""
        return [
            web.post("/_sim/inbound", self.inbound),
            web.get("/_sim/journal", self.journal),
            web.delete("/_sim/journal", self.clear_journal),
            web.get("/_sim/journal/summary", self.summary),
            web.get("/_sim/webhooks", self.webhooks),
            web.post("/_sim/handshake", self.handshake),
            web.get("/_sim/faults", self.faults),
            web.post("/_sim/faults", self.set_faults),
            web.delete("/_sim/faults", self.clear_faults),
            web.post("/_sim/refuse", self.refuse),
            web.get("/_sim/settings", self.settings),
            web.post("/_sim/settings", self.change_settings),
        ]

    async def inbound(self, request: web.Request) -> web.Response:
        """An `InboundOrder` in, `{"wamids": […], "answers"?: [[…]]}` out."""
        given = await _json_body(request)
        with _understood():
            order = msgspec.convert(given, InboundOrder)
            return _json(await deliver(order, self._state))

    async def journal(self, request: web.Request) -> web.Response:
        """`{"entries": […], "counts": {…}}`; `?since=seq&phone_number_id=&limit=`."""
        entries = self._state.journal.select(
            since=_whole_number(request, "since") or 0,
            phone_number_id=request.query.get("phone_number_id"),
            limit=_whole_number(request, "limit"),
        )
        listed = await _encoded(entries)
        counts = json.dumps(self._state.journal.counts())
        return web.json_response(text=f'{{"entries":[{listed}],"counts":{counts}}}')

    async def clear_journal(self, _request: web.Request) -> web.Response:
        """Empty it; sequence numbers go on."""
        self._state.journal.clear()
        return _json({"ok": True})

    async def summary(self, _request: web.Request) -> web.Response:
        """`Journal.summary`."""
        return _json(self._state.journal.summary())

    async def webhooks(self, _request: web.Request) -> web.Response:
        """Counters of deliveries; `pending` 0 means that all that was promised has been heard."""
        return _json(dataclasses.asdict(self._state.delivery.counters))

    async def handshake(self, _request: web.Request) -> web.Response:
        """Do what Meta does when a webhook URL is saved: `{"ok": bool, "status": int | null}`."""
        settings = self._state.settings
        if settings.webhook_url is None or settings.verify_token is None:
            raise _bad_request("a handshake needs both webhook_url and verify_token")
        challenge = str(secrets.randbelow(10**9))
        query = {
            "hub.mode": "subscribe",
            "hub.challenge": challenge,
            "hub.verify_token": settings.verify_token,
        }
        status, text = await _get(settings.webhook_url, query)
        return _json({"ok": status == 200 and text == challenge, "status": status})

    async def faults(self, _request: web.Request) -> web.Response:
        """The rules in force, each with how often it `struck`."""
        return _json(self._state.faults.listing())

    async def set_faults(self, request: web.Request) -> web.Response:
        """One rule or a list of them replaces those in force; `?append=1` adds instead."""
        given = await _json_body(request)
        with _understood():
            rules = read_rules(given)
        if request.query.get("append", "0") not in {"", "0", "false"}:
            self._state.faults.add(*rules)
        else:
            self._state.faults.replace(*rules)
        return _json(self._state.faults.listing())

    async def clear_faults(self, _request: web.Request) -> web.Response:
        """Nothing goes wrong any more."""
        self._state.faults.clear()
        return _json([])

    async def refuse(self, request: web.Request) -> web.Response:
        """`{"seconds": n}`: for so long connections are refused, those to `/_sim` among them."""
        given = await _json_body(request)
        with _understood():
            order = msgspec.convert(given, _Refusal)
        await self._listener.refuse_for(order.seconds)
        return _json({"ok": True})

    async def settings(self, _request: web.Request) -> web.Response:
        """Every knob; secrets only as whether they are set."""
        return _json(self._state.settings.shown())

    async def change_settings(self, request: web.Request) -> web.Response:
        """Turn the knobs named, all or none."""
        given = await _json_body(request)
        with _understood():
            self._state.settings.change(given)
        return _json(self._state.settings.shown())


@contextmanager
def _understood() -> Iterator[None]:
    """Around reading what was given: what cannot be read becomes a 400 that names the field."""
    try:
        yield
    except (msgspec.ValidationError, ValueError) as error:
        raise _bad_request(str(error)) from None


async def _json_body(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise _bad_request(f"the body is not JSON: {error}") from None


async def _encoded(entries: Sequence[Entry]) -> str:
    """The entries as JSON, in steps, so that answers under load do not wait for a long listing."""
    parts: list[str] = []
    for start in range(0, len(entries), _ENTRIES_PER_STEP):
        step = entries[start : start + _ENTRIES_PER_STEP]
        parts.append(json.dumps([msgspec.structs.asdict(entry) for entry in step])[1:-1])
        await asyncio.sleep(0)
    return ",".join(parts)


async def _get(url: str, query: Mapping[str, str]) -> tuple[int | None, str]:
    timeout = aiohttp.ClientTimeout(total=5.0)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, params=query) as response,
        ):
            return response.status, await response.text()
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None, ""


def _whole_number(request: web.Request, name: str) -> int | None:
    given = request.query.get(name)
    if given is None:
        return None
    if not given.isdecimal():
        raise _bad_request(f"`{name}` must be a whole number")
    return int(given)


def _json(value: Any) -> web.Response:
    return web.json_response(value)


def _bad_request(sentence: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=json.dumps({"error": sentence}), content_type="application/json")
