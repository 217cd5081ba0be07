"""One call to Graph per claimed message, and what its answer makes of the message."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from manyline.base.clock import Clock
from manyline.customers.alias_notes import AliasNotes
from manyline.limits.buckets import Buckets
from manyline.messages.models import Pending
from manyline.meta import phone
from manyline.meta.catalogue import ErrorClass, row_of_error
from manyline.meta.graph import (
    Accepted,
    Answer,
    Credentials,
    Departure,
    GraphClient,
    NotSent,
    Refused,
    Unknown,
)
from manyline.meta.payloads import send_request
from manyline.meta.simulated import is_mock_token, simulated_answer
from manyline.observability.failures import describe_failure
from manyline.observability.metrics import SendingMetrics
from manyline.sending.breakers import Breakers
from manyline.sending.consequences import Consequences
from manyline.sending.flight import Flight
from manyline.sending.judgement import LONGEST_APP_WAIT, CallRules, app_wait, judge, unreached
from manyline.sending.models import (
    CLOCKS_DIFFER,
    Claim,
    Failed,
    InDoubt,
    Requeued,
    Sent,
    Settlement,
)
from manyline.sending.settle import Settler
from manyline.sending.tokens import Tokens
from manyline.tenants.models import Tenant
from manyline.vault.keyring import VaultError

VAULT_WAIT = timedelta(minutes=1)
MILLISECOND = timedelta(milliseconds=1)

log = structlog.get_logger(__name__)


class Calls:
    """Launches calls and sees each to its settlement."""

    def __init__(
        self,
        *,
        graph: GraphClient,
        tokens: Tokens,
        settler: Settler,
        flight: Flight,
        breakers: Breakers,
        buckets: Buckets,
        consequences: Consequences,
        aliases: AliasNotes,
        rules: CallRules,
        clock: Clock,
        metrics: SendingMetrics,
    ) -> None:
        self._graph = graph
        self._tokens = tokens
        self._settler = settler
        self._flight = flight
        self._breakers = breakers
        self._buckets = buckets
        self._consequences = consequences
        self._aliases = aliases
        self._rules = rules
        self._clock = clock
        self._metrics = metrics
        self._under_way: set[asyncio.Task[None]] = set()

    def launch(self, claim: Claim, tenant: Tenant) -> None:
        """Start the call of a claimed message, whose place in flight is already taken."""
        self._start(self._see_through(claim, tenant))

    def hand_back(self, claims: Sequence[Claim]) -> None:
        """Queue claims again that never were POSTed, as soon as the store can be told.

        Due only when the claim itself, should it be executed late, would not find them due.
        """
        now = self._clock.now()
        for claim in claims:
            due_at = max(now, claim.claimed_at + CLOCKS_DIFFER + MILLISECOND)
            unsent = Requeued(claim=claim, at=now, due_at=due_at, claim_under_way=True)
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
        await self._aliases.drained()

    async def _see_through(self, claim: Claim, tenant: Tenant) -> None:
        try:
            settlement = await self._settlement(claim, tenant)
            await self._settler.settle(settlement)
        finally:
            self._flight.landed(claim.message.phone_number_id)

    async def _settlement(self, claim: Claim, tenant: Tenant) -> Settlement:
        """Make the call, unless there is none to make, and judge the answer."""
        ready = await self._credentials(claim, tenant)
        if not isinstance(ready, Credentials):
            self._breakers.not_called(claim.message.phone_number_id)
            return ready
        answer = await self._call(claim, ready)
        self._metrics.calls[type(answer).__name__].inc()
        self._note(claim.message.phone_number_id, answer)
        if isinstance(answer, Refused):
            return await self._refused(claim, tenant, answer)
        if isinstance(answer, Accepted):
            self._note_alias(claim.message, answer)
        return _settled_by(claim, answer, self._clock.now())

    async def _credentials(self, claim: Claim, tenant: Tenant) -> Credentials | Settlement:
        """What the call is made with, or what becomes of a message that must not be called."""
        now = self._clock.now()
        if now > claim.expires_at - self._rules.deadline:
            # This worker was held up: a POST now could outlive the lease that allows it.
            return Requeued(claim=claim, at=now, due_at=now)
        if now > self._rules.expires_at(claim.message):
            return Failed(claim=claim, at=now, error=_EXPIRED, counts=False)
        try:
            credentials = await self._tokens.of(tenant)
        except VaultError as error:
            return self._unopened(claim, tenant, error)
        if not is_mock_token(credentials.token):
            return credentials
        if self._rules.mock_allowed:
            return Sent(claim=claim, wamid=simulated_answer().wamid, at=now)
        return Failed(claim=claim, at=now, error=_MOCK_REFUSED, counts=False)

    def _unopened(self, claim: Claim, tenant: Tenant, error: VaultError) -> Settlement:
        # Told without its stack: the detail says all there is to know.
        log.error("vault.token_not_opened", tenant_id=str(tenant.id), detail=error.detail)
        problem = {"title": "the tenant's access token could not be opened"}
        self._breakers.hold(claim.message.phone_number_id, VAULT_WAIT.total_seconds())
        now = self._clock.now()
        return Requeued(claim=claim, at=now, due_at=now + VAULT_WAIT, error=problem)

    async def _call(self, claim: Claim, credentials: Credentials) -> Answer:
        message = claim.message
        departure = Departure()
        started = time.perf_counter()
        self._metrics.in_flight.inc()
        try:
            return await self._graph.send_message(
                phone_number_id=message.phone_number_id,
                credentials=credentials,
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

    def _note_alias(self, message: Pending, accepted: Accepted) -> None:
        """Graph may know the recipient under another number than the one we wrote to."""
        if accepted.wa_id is not None and "+" + accepted.wa_id != message.recipient:
            wa_id = phone.from_webhook(accepted.wa_id)
            self._aliases.note(message.tenant_id, sent_to=message.recipient, wa_id=wa_id)

    def _note(self, number: str, answer: Answer) -> None:
        """Tell the breakers how the call went."""
        if isinstance(answer, NotSent) and not answer.turned_away:
            self._breakers.unreachable()
        elif isinstance(answer, NotSent | Unknown):
            self._breakers.unanswered(number)
        else:
            self._breakers.answered(number)
            if answer.usage is not None and answer.usage.regain_after:
                self._hold(number, answer.usage.regain_after)

    def _hold(self, number: str, wait: timedelta) -> None:
        self._breakers.hold(number, min(wait, LONGEST_APP_WAIT).total_seconds())

    async def _refused(self, claim: Claim, tenant: Tenant, refused: Refused) -> Settlement:
        """Settle it as its error's class says, after what the error means for others."""
        message, error = claim.message, refused.error
        row = row_of_error(error)
        log.warning(
            "graph.refused",
            tenant_id=str(tenant.id),
            message_id=str(message.id),
            code=error.code,
            error_class=row.error_class.value,
        )
        now = self._clock.now()
        if row.error_class is ErrorClass.WAIT_NUMBER:
            await self._buckets.slow_down(message.phone_number_id)
        elif row.error_class is ErrorClass.WAIT_APP:
            self._hold(message.phone_number_id, app_wait(refused, row))
        else:
            await self._consequences.follow(
                tenant, row, error.code, customer_id=message.conversation_id, at=now
            )
        return judge(claim, refused, row, now=now, rules=self._rules)


def _settled_by(claim: Claim, answer: Accepted | NotSent | Unknown, now: datetime) -> Settlement:
    if isinstance(answer, Accepted):
        return Sent(claim=claim, wamid=answer.wamid, at=now)
    if isinstance(answer, Unknown):
        return InDoubt(claim=claim, at=now, reason=f"no answer from Graph ({answer.reason})")
    return unreached(claim, answer, now=now)


_MOCK_REFUSED = {
    "title": "the tenant's token is a mock_ one, which production does not simulate",
    "details": "PATCH the tenant with a real accessToken",
}
_EXPIRED = {
    "title": "expired before it could be sent",
    "details": "the message waited longer than MESSAGE_EXPIRY_SECONDS allows",
}


def _stay_alive() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
