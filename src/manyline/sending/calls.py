"""One call to Graph per claimed message, and what its answer makes of the message."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from manyline.base.clock import Clock
from manyline.meta.errors import GraphError
from manyline.meta.graph import Accepted, Answer, Departure, GraphClient, NotSent, Refused, Unknown
from manyline.meta.payloads import send_request
from manyline.meta.simulated import is_mock_token, simulated_answer
from manyline.observability.failures import describe_failure
from manyline.observability.metrics import SendingMetrics
from manyline.sending.flight import Flight
from manyline.sending.models import Claim, Failed, InDoubt, Requeued, Sent, Settlement
from manyline.sending.retry import MAX_ATTEMPTS, Backoff
from manyline.sending.settle import Settler
from manyline.sending.tokens import Tokens
from manyline.tenants.models import Tenant
from manyline.vault.keyring import VaultError

VAULT_WAIT = timedelta(minutes=1)
LONGEST_UNREACHABLE_WAIT = 30.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CallRules:
    """Times of a call: its deadline, and how old a message may be when it is sent."""

    deadline: timedelta
    expiry: timedelta
    backoff: Backoff
    mock_allowed: bool
    """Whether `mock_` tokens are simulated; in production their messages fail instead."""


class Calls:
    """Launches calls and sees each to its settlement."""

    def __init__(
        self,
        *,
        graph: GraphClient,
        tokens: Tokens,
        settler: Settler,
        flight: Flight,
        rules: CallRules,
        clock: Clock,
        metrics: SendingMetrics,
    ) -> None:
        self._graph = graph
        self._tokens = tokens
        self._settler = settler
        self._flight = flight
        self._rules = rules
        self._clock = clock
        self._metrics = metrics
        self._under_way: set[asyncio.Task[None]] = set()
        self._unreachable: dict[str, int] = {}

    def launch(self, claim: Claim, tenant: Tenant) -> None:
        """Start the call of a claimed message, whose place in flight is already taken."""
        self._start(self._see_through(claim, tenant))

    def hand_back(self, claims: Sequence[Claim]) -> None:
        """Queue claims again that never were POSTed, as soon as the store can be told."""
        now = self._clock.now()
        for claim in claims:
            unsent = Requeued(claim=claim, due_at=now, counts=False, error=None)
            self._start(self._settler.settle(unsent))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Unsettled: the relay finds the message in doubt when its lease ends.
            log.error("call.broke", **describe_failure(error))

    async def stop(self, *, within_seconds: float) -> None:
        """Let calls end; cut off those that do not, and settle them as what is then known."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within_seconds)
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=2.0)
        await self._settler.drained()

    async def _see_through(self, claim: Claim, tenant: Tenant) -> None:
        try:
            settlement = await self._settlement(claim, tenant)
            await self._settler.settle(settlement)
        finally:
            self._flight.landed(claim.message.phone_number_id)

    async def _settlement(self, claim: Claim, tenant: Tenant) -> Settlement:
        """Make the call, unless it is too late for it, and judge the answer."""
        now = self._clock.now()
        if now > claim.expires_at - self._rules.deadline:
            # This worker was held up: a POST now could outlive the lease that allows it.
            return Requeued(claim=claim, due_at=now, counts=False, error=None)
        if now - claim.message.created_at > self._rules.expiry:
            return Failed(claim=claim, at=now, error=_EXPIRED)
        try:
            token = await self._tokens.of(tenant)
        except VaultError as error:
            # Told without its stack: the detail says all there is to know.
            log.error("vault.token_not_opened", tenant_id=str(tenant.id), detail=error.detail)  # noqa: TRY400
            problem = {"title": "the tenant's access token could not be opened"}
            return Requeued(claim=claim, due_at=now + VAULT_WAIT, counts=False, error=problem)
        if is_mock_token(token) and not self._rules.mock_allowed:
            return Failed(claim=claim, at=now, error=_MOCK_REFUSED)
        return self._judge(claim, await self._call(claim, token))

    async def _call(self, claim: Claim, token: str) -> Answer:
        if is_mock_token(token):
            return simulated_answer()
        message = claim.message
        departure = Departure()
        started = time.perf_counter()
        self._metrics.in_flight.inc()
        try:
            return await self._graph.send_message(
                phone_number_id=message.phone_number_id,
                token=token,
                request=send_request(
                    to=message.recipient, content=message.content, message_id=str(message.id)
                ),
                departure=departure,
            )
        except asyncio.CancelledError:
            # The worker stops. What is known now is written down before it goes.
            _stay_alive()
            reason = "the worker was stopped before Graph answered"
            return Unknown(reason) if departure.bytes_left else NotSent(reason)
        finally:
            self._metrics.in_flight.dec()
            self._metrics.call_seconds.observe(time.perf_counter() - started)

    def _judge(self, claim: Claim, answer: Answer) -> Settlement:
        now = self._clock.now()
        number = claim.message.phone_number_id
        self._metrics.calls[type(answer).__name__].inc()
        if isinstance(answer, NotSent):
            return Requeued(
                claim=claim,
                due_at=now + self._unreachable_wait(number),
                counts=False,
                error={"title": f"Graph could not be reached ({answer.reason})"},
            )
        self._unreachable.pop(number, None)
        if isinstance(answer, Accepted):
            return Sent(claim=claim, wamid=answer.wamid, at=now)
        if isinstance(answer, Unknown):
            return InDoubt(claim=claim, at=now, reason=f"no answer from Graph ({answer.reason})")
        return self._refused(claim, answer)

    def _refused(self, claim: Claim, answer: Refused) -> Settlement:
        now = self._clock.now()
        attempt = claim.message.attempts + 1
        error = error_document(answer.error)
        log.warning(
            "graph.refused",
            tenant_id=str(claim.message.tenant_id),
            message_id=str(claim.message.id),
            code=answer.error.code,
            attempt=attempt,
        )
        if attempt >= MAX_ATTEMPTS:
            return Failed(claim=claim, at=now, error=error)
        due_at = now + self._rules.backoff.wait(attempt)
        return Requeued(claim=claim, due_at=due_at, counts=True, error=error)

    def _unreachable_wait(self, number: str) -> timedelta:
        """Doubles with each failure in a row of this number, up to half a minute."""
        failures = self._unreachable[number] = self._unreachable.get(number, 0) + 1
        return timedelta(seconds=min(0.5 * 2.0 ** min(failures - 1, 10), LONGEST_UNREACHABLE_WAIT))


_MOCK_REFUSED = {
    "title": "the tenant's token is a mock_ one, which production does not simulate",
    "details": "PATCH the tenant with a real accessToken",
}
_EXPIRED = {
    "title": "expired before it could be sent",
    "details": "the message waited longer than MESSAGE_EXPIRY_SECONDS allows",
}


def error_document(error: GraphError) -> dict[str, Any]:
    """A Graph error as it is kept with a message."""
    fields = {
        "code": error.code,
        "title": error.title,
        "details": error.details,
        "fbtraceId": error.fbtrace_id,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _stay_alive() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
