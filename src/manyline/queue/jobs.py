"""The two jobs of the queue: how they are written to Redis, and how they are read back.

`send {"messageIds": [...]}` wakes up to 50 messages, of any numbers; `drain {"phoneNumberId": ...}`
wakes the backlog of one number. Both are wake-ups: losing one costs seconds, doubling one nothing.
They are plain BullMQ jobs, so a worker in another language can take them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

QUEUE_NAME = "whatsapp-send-queue"
SEND = "send"
DRAIN = "drain"
MESSAGES_PER_JOB = 50

# The attempts cover trouble of our own infrastructure (1, 2, 4, 8 s apart); those of a message
# are counted in its document. A failed job stays to be looked at, within bounds; its stack trace
# does not, for it may quote what a message says.
_OPTIONS: Mapping[str, Any] = {
    "attempts": 5,
    "backoff": {"type": "exponential", "delay": 1000},
    "removeOnComplete": True,
    "removeOnFail": {"age": 3 * 24 * 3600, "count": 1000},
    "stackTraceLimit": 0,
}

# Delays whose binary logarithms fall into the same quarter count as equal: 19 % apart at most.
_CLASSES_PER_DOUBLING = 4

NewJob = dict[str, Any]
"""What BullMQ's `addBulk` takes: `name`, `data`, `opts`."""


@dataclass(frozen=True, slots=True)
class Send:
    """Deliver these messages."""

    message_ids: list[str]


@dataclass(frozen=True, slots=True)
class Drain:
    """Deliver what is due of this number."""

    phone_number_id: str


def send_jobs(message_ids: Sequence[str]) -> Iterator[NewJob]:
    """The jobs that wake `message_ids`, in order, up to 50 ids each."""
    for start in range(0, len(message_ids), MESSAGES_PER_JOB):
        ids = list(message_ids[start : start + MESSAGES_PER_JOB])
        yield {
            "name": SEND,
            "data": {"messageIds": ids},
            "opts": {**_OPTIONS, "jobId": _new_job_id(SEND)},
        }


def drain_job(phone_number_id: str, *, delay_seconds: float = 0) -> NewJob:
    """The job that wakes one number's backlog, now or after a delay.

    While an equal one still waits, BullMQ's deduplication drops this one. "Equal" means the same
    number and about the same delay: the one that waits may fall due up to 19 % of the delay
    later. An active job stands in nobody's way, because a worker lifts the deduplication before
    it looks at the store, so what was stored before the add is seen. A worker in another language
    has to do the same: delete `bull:whatsapp-send-queue:de:<deduplication id>` first.
    """
    delay_ms = max(0, round(delay_seconds * 1000))
    options = {
        **_OPTIONS,
        "jobId": _new_job_id(DRAIN),
        "deduplication": {"id": _deduplication_id(phone_number_id, delay_ms)},
    }
    if delay_ms:
        options["delay"] = delay_ms
    return {"name": DRAIN, "data": {"phoneNumberId": phone_number_id}, "opts": options}


def read_job(name: object, data: object) -> Send | Drain | None:
    """What a job asks for, or None when it is not one of ours or is malformed."""
    if not isinstance(data, dict):
        return None
    if name == SEND:
        ids = data.get("messageIds")
        if isinstance(ids, list) and ids and all(isinstance(item, str) for item in ids):
            return Send(ids)
    elif name == DRAIN:
        number = data.get("phoneNumberId")
        if isinstance(number, str) and number:
            return Drain(number)
    return None


def _new_job_id(name: str) -> str:
    """A string that no one could read as an integer and that has no colon.

    Python's BullMQ takes either, Node's refuses both. Never reused: the id of a job that is active
    or kept as failed would swallow the next one.
    """
    return f"{name}-{uuid4().hex}"


def _deduplication_id(phone_number_id: str, delay_ms: int) -> str:
    if not delay_ms:
        return f"{DRAIN}-{phone_number_id}"
    delay_class = math.floor(math.log2(delay_ms) * _CLASSES_PER_DOUBLING)
    return f"{DRAIN}-{phone_number_id}-later{delay_class}"
