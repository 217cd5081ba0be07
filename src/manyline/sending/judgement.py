"""What Graph's refusal of a message makes of it. Pure: the catalogue's class decides.

| class | the message |
|---|---|
| backoff | tried again with growing waits, a few times; then it fails |
| wait: number, pair, app | waits, and the attempt does not count |
| wait: long | parked: it stands in nobody's way until then |
| recipient, content | fails |
| tenant | waits for its tenant to be repaired |
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from manyline.messages.models import Pending
from manyline.meta.catalogue import ErrorClass, ErrorRow
from manyline.meta.errors import GraphError
from manyline.meta.graph import NotSent, Refused
from manyline.sending.models import Claim, Failed, Parked, Requeued, Settlement, Wait
from manyline.sending.retry import Backoff

NUMBER_WAIT = timedelta(seconds=1)
UNREACHED_WAIT = timedelta(seconds=0.5)
LONGEST_UNREACHED_WAIT = timedelta(seconds=30)
# Meta: after 131056 wait 4^X seconds, X from 0 up, one more after each refusal.
PAIR_WAIT_BASE = 4.0
LONGEST_PAIR_WAIT = timedelta(hours=1)
APP_WAIT = timedelta(minutes=1)
LONGEST_APP_WAIT = timedelta(hours=1)
# How much longer than the wait that Meta asked for a message may live.
GRACE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CallRules:
    """Times of a call: its deadline, and how old a message may be when it is sent."""

    deadline: timedelta
    expiry: timedelta
    backoff: Backoff
    mock_allowed: bool
    """Whether `mock_` tokens are simulated; in production their messages fail instead."""

    def expires_at(self, message: Pending) -> datetime:
        """Until when a message may be sent."""
        return message.expires_at or message.created_at + self.expiry


def judge(
    claim: Claim, refused: Refused, row: ErrorRow, *, now: datetime, rules: CallRules
) -> Settlement:
    """The settlement of a claim whose call was refused with the error of this row."""
    error = error_document(refused.error)
    match row.error_class:
        case ErrorClass.BACKOFF:
            return _backed_off(claim, row, error, now=now, rules=rules)
        case ErrorClass.WAIT_LONG:
            return _parked(claim, row, error, now=now, rules=rules)
        case ErrorClass.RECIPIENT | ErrorClass.CONTENT:
            return Failed(claim=claim, at=now, error=error)
    return Requeued(
        claim=claim,
        at=now,
        due_at=now + _wait(claim, refused, row),
        error=error,
        longer_next_time=Wait.PAIR if row.error_class is ErrorClass.WAIT_PAIR else None,
    )


def unreached(claim: Claim, not_sent: NotSent, *, now: datetime) -> Requeued:
    """The settlement of a claim whose call did not get to Graph."""
    doublings = min(claim.message.unreached, 10)
    return Requeued(
        claim=claim,
        at=now,
        due_at=now + min(UNREACHED_WAIT * 2**doublings, LONGEST_UNREACHED_WAIT),
        error={"title": f"Graph could not be reached ({not_sent.reason})"},
        longer_next_time=Wait.UNREACHED,
    )


def _wait(claim: Claim, refused: Refused, row: ErrorRow) -> timedelta:
    match row.error_class:
        case ErrorClass.WAIT_NUMBER:
            return NUMBER_WAIT * random.uniform(1, 2)  # noqa: S311 - no secret
        case ErrorClass.WAIT_PAIR:
            wait = timedelta(seconds=PAIR_WAIT_BASE ** min(claim.message.pair_waits, 10))
            return min(wait, LONGEST_PAIR_WAIT)
        case ErrorClass.WAIT_APP:
            return app_wait(refused, row)
    # The tenant's own trouble: the message is ready as soon as somebody has repaired it.
    return timedelta(0)


def app_wait(refused: Refused, row: ErrorRow) -> timedelta:
    """How long Meta asks this app or business account to stay away; looked at hourly at least."""
    if refused.usage is not None and refused.usage.regain_after:
        return min(refused.usage.regain_after, LONGEST_APP_WAIT)
    return row.delay or APP_WAIT


def error_document(error: GraphError) -> dict[str, Any]:
    """A Graph error as it is kept with a message."""
    fields = {
        "code": error.code,
        "title": error.title,
        "details": error.details,
        "fbtraceId": error.fbtrace_id,
        "subcode": error.error_subcode,
        "httpStatus": error.status,
        "transient": error.is_transient or None,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _backed_off(
    claim: Claim, row: ErrorRow, error: dict[str, Any], *, now: datetime, rules: CallRules
) -> Settlement:
    attempt = claim.message.attempts - claim.message.attempts_before + 1
    if attempt >= row.tries:
        return Failed(claim=claim, at=now, error=error)
    wait = max(rules.backoff.wait(attempt), row.delay or timedelta(0))
    return Requeued(claim=claim, at=now, due_at=now + wait, counts=True, error=error)


def _parked(
    claim: Claim, row: ErrorRow, error: dict[str, Any], *, now: datetime, rules: CallRules
) -> Parked:
    """The first long wait of a round may make a message live longer; later ones may not."""
    until = now + (row.delay or timedelta(0))
    expires_at = rules.expires_at(claim.message)
    if not claim.message.long_waits:
        expires_at = max(expires_at, until + GRACE)
    return Parked(claim=claim, at=now, until=until, error=error, expires_at=expires_at)
