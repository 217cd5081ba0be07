"""Graph's own HTTP surface: sending a message, looking at a number, and what is not there.

The life of a send: arrive (read all of it), judge (caller, body, limits), disturb (a call fault),
take (wamid, journal), answer, statuses. Everything from arrival to the journal entry happens in one
step, so the journal's order is the order of arrival and a caller that vanishes changes nothing.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from graphsim.answers import answer, graph_answer, reset, usage_header
from graphsim.callers import bearer, stranger
from graphsim.fault_rules import CallFault, Error, Hang, Http, Reset
from graphsim.faults import Subject, WebhookFaults
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
        if self._state.faults.any_before_read and self._state.faults.before_read(_head(request)):
            await reset(request)
        arrival = _arrived(request, await request.read())
        error = self._complaint(arrival)
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
        token = bearer(request)
        error = stranger(request, token, self._state.settings)
        fault = None
        if error is None:
            subject = Subject(
                phone_number_id=phone_number_id, token=token, path=request.path, is_message=False
            )
            fault = self._state.faults.for_call(subject)
            error = _asked_for(fault) if isinstance(fault, Error) else None
        usage = self._usage(phone_number_id, fault)
        if error is None:
            plain = graph_answer(_profile(phone_number_id), headers=usage)
        else:
            plain = _refusal(error, usage)
        return await self._answer(request, plain, fault, entry=None)

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        """What Graph says of a path that it does not have."""
        title = f"Unknown path components: {request.path}"
        return _refusal(graph_error(2500, "The simulator has no such path.", title=title), {})

    def _complaint(self, arrival: _Arrival) -> GraphError | None:
        """The first thing that Meta would not take the message for."""
        return (
            stranger(arrival.request, arrival.subject.token, self._state.settings)
            or check(arrival.send)
            or self._state.limits.refusal(arrival.phone_number_id, arrival.send)
        )

    async def _refuse(
        self, arrival: _Arrival, error: GraphError, fault: CallFault | None
    ) -> web.StreamResponse:
        """Not taken, and said so in Graph's words."""
        entry = self._record(arrival, "error", fault, code=error.code)
        plain = _refusal(error, self._usage(arrival.phone_number_id, fault))
        return await self._answer(arrival.request, plain, None, entry)

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
            self._taken_message(arrival, wamid, wrong),
            settings=self._state.settings,
            delivery=self._state.delivery,
            faults=wrong,
        )
        try:
            if wrong.early_status is not None:
                await chain.first_now(at_most=wrong.early_status.seconds)
            if fault is not None:
                chain.start()  # a disturbed answer holds up nothing else
            usage = self._usage(arrival.phone_number_id, fault)
            plain = graph_answer(_success(arrival.send, wamid), headers=usage)
            return await self._answer(arrival.request, plain, fault, entry)
        finally:
            chain.start()

    def _taken_message(self, arrival: _Arrival, wamid: str, wrong: WebhookFaults) -> TakenMessage:
        send, fails = arrival.send, wrong.fail_status
        failure = None if fails is None else graph_error(fails.code, fails.details)
        if failure is None and self._state.settings.window_error == "status":
            failure = self._state.limits.closed_window(arrival.phone_number_id, send)
        return TakenMessage(
            phone_number_id=arrival.phone_number_id,
            wamid=wamid,
            wa_id=send.wa_id,
            user_id=send.recipient,
            opaque=send.opaque,
            failure=failure,
            before_failure=() if fails is None else fails.after,
        )

    def _usage(self, phone_number_id: str, fault: CallFault | None) -> dict[str, str]:
        """The header that says how much is used up; usually none."""
        if isinstance(fault, Error) and fault.regain_minutes is not None:
            regain = fault.regain_minutes
            return usage_header(phone_number_id, percent=100, regain_minutes=regain)
        percent = self._state.settings.usage_percent
        return {} if percent is None else usage_header(phone_number_id, percent=percent)

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


def _head(request: web.Request) -> Subject:
    """A message of which only the head is known."""
    number = request.match_info["phone_number_id"]
    return Subject(phone_number_id=number, token=bearer(request), path=request.path)


def _arrived(request: web.Request, raw: bytes) -> _Arrival:
    send = parse(raw)
    phone_number_id = request.match_info["phone_number_id"]
    subject = Subject(
        phone_number_id=phone_number_id,
        customer=send.customer,
        token=bearer(request),
        opaque=send.opaque,
        path=request.path,
    )
    return _Arrival(request, time.time(), phone_number_id, send, subject)


def _asked_for(fault: Error) -> GraphError:
    return graph_error(
        fault.code,
        fault.details,
        http_status=fault.status,
        is_transient=fault.is_transient,
        error_subcode=fault.subcode,
    )


def _refusal(error: GraphError, headers: Mapping[str, str]) -> web.Response:
    return graph_answer(error.body(), http_status=error.http_status, headers=headers)


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


def _profile(phone_number_id: str) -> dict[str, Any]:
    return {
        "verified_name": f"Business {phone_number_id}",
        "display_phone_number": display_phone_number(phone_number_id),
        "quality_rating": "GREEN",
        "id": phone_number_id,
    }
