"""What happened to a message, oldest first, in the words of a person. Pure.

Told from `statusAt` (plain success), `history` (everything else, see `sending.transitions`) and,
while a message waits, from what it waits for. A replay begins a new round of attempts; what the
message was before stands in the replay's own entry.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from manyline.messages.models import Message
from manyline.messages.states import RANK, Direction, MessageStatus
from manyline.messages.telling import accepted, happened, reached, taken_up, waits
from manyline.tenants.models import Tenant

MOST_KEPT = 20
"""Entries of a history that are kept, as `sending.transitions` has it."""
WHOLE_SECOND = timedelta(seconds=1)
REACHED = (
    MessageStatus.IN_DOUBT,
    MessageStatus.SENT,
    MessageStatus.DELIVERED,
    MessageStatus.READ,
    MessageStatus.FAILED,
)
# What history tells itself, and better than the status' name would.
TOLD_BY = {"in_doubt": "in_doubt", "failed": "failed", "marked_sent": "sent"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One event; `text` says all of it, the other fields what a program may want."""

    at: datetime
    event: str
    text: str
    attempt: int | None = None
    code: int | None = None
    """Graph's."""
    details: str | None = None
    fbtrace_id: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Round:
    """From its acceptance or a replay to the next replay: how it ended, and what happened."""

    status: MessageStatus
    status_at: Mapping[str, datetime]
    history: Sequence[Mapping[str, Any]]
    wamid: str | None
    error: Mapping[str, Any] | None
    attempts: int | None = None
    """Made by its end; known of the last round only."""


def timeline(message: Message, tenant: Tenant, *, now: datetime) -> list[Entry]:
    """At most some hundred entries; the last one says what it waits for since the one before.

    `now` decides only whether a time lies ahead.
    """
    told = [_accepted(message)]
    if message.direction is Direction.IN:
        return told
    if len(message.history) >= MOST_KEPT:
        text = f"Only the last {MOST_KEPT} troubles are kept; earlier ones may be missing here."
        told.append(Entry(message.history[0]["at"], "cut", text))
    for one in _rounds(message):
        told += _of_round(one)
    told.sort(key=lambda entry: entry.at)
    if (waiting := waits(message, tenant, now=now)) is not None:
        text, until = waiting
        told.append(Entry(told[-1].at, "waiting", text, until=until))
    return told


def _accepted(message: Message) -> Entry:
    first = "received" if message.direction is Direction.IN else "queued"
    at = message.status_at.get(first, message.sent_at or message.created_at)
    return Entry(at, "received" if first == "received" else "accepted", accepted(message))


def _rounds(message: Message) -> Iterator[_Round]:
    since: list[Mapping[str, Any]] = []
    for told in message.history:
        since.append(told)
        before = told.get("before")
        if isinstance(before, dict):
            yield _Round(
                status=MessageStatus(before["status"]),
                status_at=before["statusAt"],
                history=since,
                wamid=before.get("waMessageId"),
                error=before.get("error"),
            )
            since = []
    yield _Round(
        status=message.status,
        status_at=message.status_at,
        history=since,
        wamid=message.wamid,
        error=message.error,
        attempts=message.attempts,
    )


def _of_round(one: _Round) -> Iterator[Entry]:
    claims = {told.get("claimedAt") for told in one.history}
    known = {(TOLD_BY.get(told["event"]), told["at"]) for told in one.history}
    for told in one.history:
        if "claimedAt" in told:
            yield _claim(told["claimedAt"], _attempt_of(told))
        yield _told(told, one.status)
    claimed_at = one.status_at.get("sending")
    if claimed_at is not None and claimed_at not in claims:
        yield _claim(claimed_at, _attempt_at_end(one), under_way=one.status == "sending")
    previous: datetime | None = None
    for status in REACHED:
        at = one.status_at.get(status)
        if at is None:
            continue
        if (status.value, at) not in known:
            entry = _reached(one, status, at)
            # Meta tells whole seconds: `delivered` may seem to come just before `sent`.
            if previous is not None and timedelta(0) < previous - at < WHOLE_SECOND:
                entry = replace(entry, at=previous)
            yield entry
        previous = at if previous is None else max(previous, at)


def _claim(at: datetime, attempt: int | None, *, under_way: bool = False) -> Entry:
    return Entry(at, "claimed", taken_up(attempt, under_way=under_way), attempt=attempt)


def _attempt_of(told: Mapping[str, Any]) -> int | None:
    """Which call it was; without an answer of Graph and without a doubt, none was made."""
    called = "code" in told or told["event"] == "in_doubt"
    return told.get("attempt") if called else None


def _attempt_at_end(one: _Round) -> int | None:
    if one.attempts is None or one.status is MessageStatus.QUEUED:
        return None
    return one.attempts + 1 if one.status is MessageStatus.SENDING else one.attempts


def _told(told: Mapping[str, Any], ended_as: MessageStatus) -> Entry:
    settled_since = RANK[ended_as] > RANK[MessageStatus.IN_DOUBT]
    until = told.get("until")
    return Entry(
        at=told["at"],
        event=told["event"],
        text=happened(told, settled_since=settled_since),
        attempt=_attempt_of(told),
        code=told.get("code"),
        details=told.get("details"),
        fbtrace_id=told.get("fbtraceId"),
        # Trouble of the tenant has no such time: it is due at once, when the tenant is active.
        until=until if until is not None and until > told["at"] else None,
    )


def _reached(one: _Round, status: MessageStatus, at: datetime) -> Entry:
    # The error is of the status that the round ended with.
    error = one.error if status is one.status and one.error is not None else {}
    return Entry(
        at=at,
        event=status.value,
        text=reached(status, wamid=one.wamid, error=error),
        code=error.get("code"),
        details=error.get("details"),
        fbtrace_id=error.get("fbtraceId"),
    )
