"""Graph's own HTTP surface: sending a message, looking at a number, and what is not there.

The life of a send: arrive (read all of it), judge (token, body), disturb (a call fault), take
(wamid, journal), answer, statuses. Everything from arrival to the journal entry happens in one
step, so the journal's order is the order of arrival and a caller that vanishes changes nothing.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from graphsim.answers import answer, graph_answer
from graphsim.fault_rules import CallFault, Error, Hang, Http, Reset
from graphsim.faults import Subject
from graphsim.graph_errors import GraphError, graph_error
from graphsim.identifiers import display_phone_number, new_wamid
from graphsim.journal import Entry, Outcome
from graphsim.send_request import SendRequest, check, parse
from graphsim.state import State
from graphsim.statuses import StatusChain, TakenMessage


@dataclass(frozen=True, slots=True)
class _Arrival:
    """One POST of a message, wholly read."""

    request: web.Request
    at: float
    phone_number_id: str
    send: SendRequest
    subject: Subject
    """The same, as fault rules look at it."""


class GraphRoutes:
    """Handlers over one `State`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def table(self) -> list[web.RouteDef]:
        """Routes to add last: the final one answers whatever no other does."""
        return [
            web.post(r"/{version:v\d+\.\d+}/{phone_number_id}/messages", self.send_message),
            web.get(r"/{version:v\d+\.\d+}/{phone_number_id}", self.phone_number),
            web.route("*", "/{unknown:.*}", self.unknown),
        ]

    async def send_message(self, request: web.Request) -> web.StreamResponse:
        """POST /{version}/{phoneNumberId}/messages."""
        arrival = _arrived(request, await request.read())
        error = self._token_error(arrival.subject.token) or check(arrival.send)
        if error is not None:
            return await self._refuse(arrival, error, None)
        fault = self._state.faults.for_call(arrival.subject)
        match fault:
            case Error():
                return await self._refuse(arrival, _asked_for(fault), fault)
            case Http(point="before_accept"):
                return await self._lose(arrival, "http", fault)
            case Hang(point="before_accept"):
                return await self._lose(arrival, "hung", fault)
            case Reset(point="before_accept"):
                return await self._lose(arrival, "reset", fault)
        return await self._take(arrival, fault)

    async def phone_number(self, request: web.Request) -> web.StreamResponse:
        """GET /{version}/{phoneNumberId}: what a token check asks for."""
        phone_number_id = request.match_info["phone_number_id"]
        token = _bearer(request)
        error = self._token_error(token)
        fault = None
        if error is None:
            subject = Subject(
                phone_number_id=phone_number_id, token=token, path=request.path, is_message=False
            )
            fault = self._state.faults.for_call(subject)
            error = _asked_for(fault) if isinstance(fault, Error) else None
        plain = _refusal(error) if error else graph_answer(_profile(phone_number_id))
        return await self._answer(request, plain, fault, entry=None)

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        """What Graph says of a path that it does not have."""
        title = f"Unknown path components: {request.path}"
        return _refusal(graph_error(2500, "The simulator has no such path.", title=title))

    def _token_error(self, token: str | None) -> GraphError | None:
        settings = self._state.settings
        if token is None:
            return graph_error(190, "An access token is required to request this resource.")
        if token in settings.bad_tokens or not token.startswith(settings.token_prefix or ""):
            return graph_error(190, "The access token could not be decrypted or has expired.")
        return None

    async def _refuse(
        self, arrival: _Arrival, error: GraphError, fault: CallFault | None
    ) -> web.StreamResponse:
        """Not taken, and said so in Graph's words."""
        entry = self._record(arrival, "error", fault, code=error.code)
        return await self._answer(arrival.request, _refusal(error), None, entry)

    async def _lose(
        self, arrival: _Arrival, outcome: Outcome, fault: CallFault
    ) -> web.StreamResponse:
        """Not taken, and the fault decides what the caller sees of that."""
        entry = self._record(arrival, outcome, fault)
        return await self._answer(arrival.request, web.Response(), fault, entry)

    async def _take(self, arrival: _Arrival, fault: CallFault | None) -> web.StreamResponse:
        """Taken: it has a wamid, and its statuses follow whatever becomes of the answer."""
        wamid = new_wamid(arrival.send.customer)
        entry = self._record(arrival, "accepted", fault, wamid=wamid)
        wrong = self._state.faults.for_webhooks(arrival.subject)
        chain = StatusChain(
            _taken_message(arrival, wamid),
            settings=self._state.settings,
            delivery=self._state.delivery,
            faults=wrong,
        )
        try:
            if wrong.early_status is not None:
                await chain.first_now(at_most=wrong.early_status.seconds)
            if fault is not None:
                chain.start()  # a disturbed answer holds up nothing else
            plain = graph_answer(_success(arrival.send, wamid))
            return await self._answer(arrival.request, plain, fault, entry)
        finally:
            chain.start()

    async def _answer(
        self,
        request: web.Request,
        plain: web.Response,
        fault: CallFault | None,
        entry: Entry | None,
    ) -> web.StreamResponse:
        if self._state.settings.latency_seconds:
            await asyncio.sleep(self._state.settings.latency_seconds)
        written = await answer(request, plain, fault)
        if entry is not None and written.whole:
            self._state.journal.answered(entry, written.response.status)
        return written.response

    def _record(
        self,
        arrival: _Arrival,
        outcome: Outcome,
        fault: CallFault | None,
        *,
        code: int | None = None,
        wamid: str | None = None,
    ) -> Entry:
        send = arrival.send
        return self._state.journal.record(
            at=arrival.at,
            phone_number_id=arrival.phone_number_id,
            to=send.to or send.recipient,
            type=send.type,
            body=send.body,
            biz_opaque_callback_data=send.opaque,
            outcome=outcome,
            fault=fault.kind if fault else None,
            code=code,
            wamid=wamid,
        )


def _arrived(request: web.Request, raw: bytes) -> _Arrival:
    send = parse(raw)
    phone_number_id = request.match_info["phone_number_id"]
    subject = Subject(
        phone_number_id=phone_number_id,
        customer=send.customer,
        token=_bearer(request),
        opaque=send.opaque,
        path=request.path,
    )
    return _Arrival(request, time.time(), phone_number_id, send, subject)


def _bearer(request: web.Request) -> str | None:
    """The token of `Authorization: Bearer …`, or of Graph's `access_token` query parameter."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.query.get("access_token") or None


def _asked_for(fault: Error) -> GraphError:
    return graph_error(fault.code, fault.details, http_status=fault.status)


def _refusal(error: GraphError) -> web.Response:
    return graph_answer(error.body(), http_status=error.http_status)


def _success(send: SendRequest, wamid: str) -> dict[str, Any]:
    """Meta's answer to a message it has taken; it says nothing of delivery."""
    contact = {"input": send.to or send.recipient}
    if send.wa_id:
        contact["wa_id"] = send.wa_id
    if send.recipient:
        contact["user_id"] = send.recipient
    message = {"id": wamid}
    if send.type == "template":
        message["message_status"] = "accepted"
    return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]}


def _taken_message(arrival: _Arrival, wamid: str) -> TakenMessage:
    return TakenMessage(
        phone_number_id=arrival.phone_number_id,
        wamid=wamid,
        wa_id=arrival.send.wa_id,
        user_id=arrival.send.recipient,
        opaque=arrival.send.opaque,
    )


def _profile(phone_number_id: str) -> dict[str, Any]:
    return {
        "verified_name": f"Business {phone_number_id}",
        "display_phone_number": display_phone_number(phone_number_id),
        "quality_rating": "GREEN",
        "id": phone_number_id,
    }
