"""What became of each message that somebody wanted to replay or to mark as sent, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bson import ObjectId

from manyline.base.errors import ManylineError
from manyline.messages.models import ELSEWHERE, MessageNotFoundError
from manyline.messages.states import MessageStatus, Move, sources
from manyline.messages.troubles import Troubles
from manyline.sending.troubles import Standing

NO_SUCH_MESSAGE = "this tenant has no message with this id"
SAID_ELSEWHERE = "it was written elsewhere, not sent through this API, so it cannot be sent again"
JUST_CHANGED = "it changed at this very moment; look at it again"
WHY_NO_REPLAY = {
    MessageStatus.RECEIVED: "it is received: it came from the customer and was never sent",
    MessageStatus.QUEUED: "it is queued already, and is sent without a replay",
    MessageStatus.SENDING: "it is sending: a worker calls WhatsApp for it at this moment",
    MessageStatus.IN_DOUBT: "it is in_doubt, not failed: replay it among the doubts, if it may"
    " arrive twice",
    MessageStatus.SENT: "it is sent: WhatsApp has taken it",
    MessageStatus.DELIVERED: "it is delivered: the recipient's phone has it",
    MessageStatus.READ: "it is read: the recipient has seen it",
    MessageStatus.FAILED: "it is failed, not in_doubt: replay it among the dead letters",
}
WHY_NOT_MARKED = {
    MessageStatus.RECEIVED: "it is received: it came from the customer and was never sent",
    MessageStatus.QUEUED: "it is queued: it waits to be sent",
    MessageStatus.SENDING: "it is sending: a worker calls WhatsApp for it at this moment",
    MessageStatus.SENT: "it is sent already",
    MessageStatus.DELIVERED: "it is delivered already",
    MessageStatus.READ: "it is read already",
    MessageStatus.FAILED: "it is failed, which says that it did not arrive; replay it instead",
}


class Outcome(StrEnum):
    """What became of one message that was asked for."""

    QUEUED = "queued"
    MARKED_SENT = "marked_sent"
    NOT_FOUND = "not_found"
    NOT_REPLAYABLE = "not_replayable"
    NOT_IN_DOUBT = "not_in_doubt"
    CALL_UNDER_WAY = "call_may_be_under_way"


DONE = frozenset({Outcome.QUEUED, Outcome.MARKED_SENT})


@dataclass(frozen=True, slots=True)
class Result:
    """One message: what became of the wish, the status it has now, and why in words."""

    message_id: ObjectId
    outcome: Outcome
    status: MessageStatus | None = None
    detail: str | None = None
    retry_at: datetime | None = None
    """When a call that may be under way is over."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of all of them; `more`: the filter matches others that were not looked at."""

    results: Sequence[Result]
    more: bool = False

    @property
    def done(self) -> int:
        """How many were moved by this very request."""
        return sum(result.outcome in DONE for result in self.results)


class NotReplayableError(ManylineError):
    """The message is neither failed nor in doubt."""

    code = "not_replayable"

    def __init__(self, result: Result) -> None:
        super().__init__(f"this message cannot be replayed: {result.detail}")
        self.status = result.status


class NotInDoubtError(ManylineError):
    """Only a message in doubt can be marked as sent."""

    code = "not_in_doubt"

    def __init__(self, result: Result) -> None:
        super().__init__(f"this message cannot be marked as sent: {result.detail}")
        self.status = result.status


class CallUnderWayError(ManylineError):
    """A worker may still be calling Graph for this message."""

    code = "call_may_be_under_way"

    def __init__(self, result: Result) -> None:
        super().__init__(f"this message cannot be replayed yet: {result.detail}")
        self.status = result.status
        self.retry_at = result.retry_at


def why_not_replayed(
    message_id: ObjectId, standing: Standing | None, among: Troubles | None, now: datetime
) -> Result:
    """Why a replay changed nothing, from how the message stands just after."""
    if standing is None:
        return Result(message_id, Outcome.NOT_FOUND, detail=NO_SUCH_MESSAGE)
    status = standing.message.status
    asked_for = {among.status} if among is not None else set(sources(Move.REPLAY))
    if status in asked_for and standing.call_until is not None and standing.call_until >= now:
        over = standing.call_until + timedelta(seconds=1)  # Told in whole seconds: the next one.
        return Result(
            message_id,
            Outcome.CALL_UNDER_WAY,
            status,
            detail="a call to WhatsApp may still be under way for it; try again after"
            f" {over:%Y-%m-%d %H:%M:%S} UTC",
            retry_at=standing.call_until,
        )
    why = JUST_CHANGED if status in asked_for else WHY_NO_REPLAY[status]
    if standing.message.source in ELSEWHERE:
        why = SAID_ELSEWHERE
    return Result(message_id, Outcome.NOT_REPLAYABLE, status, detail=why)


def why_not_marked(message_id: ObjectId, standing: Standing | None) -> Result:
    """Why marking it as sent changed nothing."""
    if standing is None:
        return Result(message_id, Outcome.NOT_FOUND, detail=NO_SUCH_MESSAGE)
    status = standing.message.status
    why = JUST_CHANGED if status is MessageStatus.IN_DOUBT else WHY_NOT_MARKED[status]
    return Result(message_id, Outcome.NOT_IN_DOUBT, status, detail=why)


def refusal(result: Result) -> ManylineError:
    """The error that a request about this one message ends with."""
    if result.outcome is Outcome.NOT_FOUND:
        return MessageNotFoundError("this tenant has no message with this id")
    if result.outcome is Outcome.CALL_UNDER_WAY:
        return CallUnderWayError(result)
    if result.outcome is Outcome.NOT_IN_DOUBT:
        return NotInDoubtError(result)
    return NotReplayableError(result)
