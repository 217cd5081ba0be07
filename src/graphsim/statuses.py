"""The statuses that follow a message that was taken: which, in what order, how often.

A message's statuses form a chain: the next one leaves only when the receiver has answered 200 to
the one before, so by default they arrive in order however many deliveries run side by side.
"""

import asyncio
import time
from dataclasses import dataclass

from graphsim.fault_rules import StatusKind
from graphsim.faults import WebhookFaults
from graphsim.graph_errors import GraphError
from graphsim.identifiers import new_conversation_id, waba_id
from graphsim.payloads import status_change
from graphsim.settings import Settings
from graphsim.webhook_delivery import Update, WebhookDelivery


@dataclass(frozen=True, slots=True)
class TakenMessage:
    """A message that got a wamid, as far as its statuses need it."""

    phone_number_id: str
    wamid: str
    wa_id: str | None
    user_id: str | None
    """Of these two, what it was sent to."""
    opaque: str | None
    failure: GraphError | None = None
    """It will come to nothing: its last status is `failed` and says this."""
    before_failure: tuple[StatusKind, ...] = ()


class StatusChain:
    """The statuses of one message; does nothing until `start` or `first_now`."""

    __slots__ = (
        "_conversation_id",
        "_delivery",
        "_faults",
        "_first_heard",
        "_left",
        "_message",
        "_priced",
        "_settings",
        "_started",
    )

    def __init__(
        self,
        message: TakenMessage,
        *,
        settings: Settings,
        delivery: WebhookDelivery,
        faults: WebhookFaults,
    ) -> None:
        self._message = message
        self._settings = settings
        self._delivery = delivery
        self._faults = faults
        self._started = False
        self._first_heard: asyncio.Event | None = None
        self._conversation_id = new_conversation_id()
        names: list[StatusKind] = list(settings.statuses)
        if message.failure is not None:
            names = [*message.before_failure, "failed"]
        # Pricing rides on `sent` and on one of delivered and read.
        self._priced = {"sent", "delivered" if "delivered" in names else "read"}
        self._left = self._leaving(names)

    def start(self) -> None:
        """Let the first status leave after the usual delay; harmless the second time."""
        if self._left and not self._started:
            self._started = True
            self._after_delay()

    async def first_now(self, *, at_most: float) -> None:
        """Deliver the first status and wait until it was heard, `at_most` seconds."""
        if not self._left:
            return
        self._started = True
        self._first_heard = asyncio.Event()
        self._next()
        try:
            async with asyncio.timeout(at_most):
                await self._first_heard.wait()
        except TimeoutError:
            pass

    def _leaving(self, names: list[StatusKind]) -> list[StatusKind]:
        """What will leave, in order, already promised; the rest is counted."""
        counters = self._delivery.counters
        if self._settings.webhook_url is None:
            counters.discarded += len(names)
            return []
        leaving = [name for name in self._faults.order(names) if not self._faults.drops(name)]
        counters.dropped += len(names) - len(leaving)
        self._delivery.promise(len(leaving))
        return leaving

    def _after_delay(self) -> None:
        asyncio.get_running_loop().call_later(self._settings.status_delay, self._next)

    def _next(self) -> None:
        status = self._left.pop(0)
        update = Update(
            waba_id=waba_id(self._message.phone_number_id),
            change=self._change(status),
            heard=self._heard,
        )
        copies = self._faults.copies(status)
        if copies > 1 or self._first_heard is not None:
            self._delivery.post([update], copies=copies)  # not with others: it would wait
        else:
            self._delivery.offer(update)

    def _heard(self) -> None:
        if self._first_heard is not None:
            self._first_heard.set()
        if self._left:
            self._after_delay()

    def _change(self, status: StatusKind) -> dict[str, object]:
        message = self._message
        failure = message.failure if status == "failed" else None
        return status_change(
            phone_number_id=message.phone_number_id,
            wamid=message.wamid,
            status=status,
            timestamp=int(time.time()),
            wa_id=message.wa_id,
            user_id=message.user_id,
            opaque=message.opaque,
            conversation_id=self._conversation_id if status in self._priced else None,
            error=None if failure is None else failure.in_status(),
        )
