"""The journal: every POST of a message that arrived, in order of arrival, and what became of it.

It is the record that tests trust, so each entry is complete in the same step in which the message
is taken or refused: nobody can read a half-decided one. Only `http_status` and `answered` are
filled in later, when an answer is written. Counts are kept as entries come, so a summary costs
the same after 20 posts and after 20,000.
"""

from collections import Counter
from itertools import islice
from typing import Any, Literal

import msgspec

Outcome = Literal["accepted", "error", "http", "hung", "reset"]


class Entry(msgspec.Struct, gc=False):
    """One POST. Holds plain values only, so the garbage collector need not visit thousands."""

    seq: int
    """1 for the first ever; goes on counting when the journal is emptied."""
    at: float
    """Unix seconds, taken when the whole request had arrived."""
    phone_number_id: str
    to: str | None
    """As the caller wrote it: `to`, or else `recipient`."""
    type: str | None
    body: str | None
    biz_opaque_callback_data: str | None
    outcome: Outcome
    """`accepted`: taken, has a wamid, statuses follow, whatever the caller saw of it. All others
    were not taken: `error` (a Graph error), `http` (an answer that is not Graph's), `hung` (no
    answer), `reset` (connection dropped)."""
    fault: str | None = None
    """The kind of the fault that was played, if any."""
    code: int | None = None
    """Graph's error code, when the outcome is `error`."""
    wamid: str | None = None
    """Present exactly when the outcome is `accepted`."""
    http_status: int | None = None
    """Of the answer that was written."""
    answered: bool = False
    """The whole answer was handed to the connection; the caller may still have missed it."""


class Journal:
    """Entries of one simulator; all calls are immediate."""

    def __init__(self) -> None:
        self._seq = 0
        self.clear()

    def clear(self) -> None:
        """Forget all entries and counts; sequence numbers go on."""
        self._first_seq = self._seq + 1
        self.entries: list[Entry] = []
        self._outcomes: Counter[str] = Counter()
        self._by_number: Counter[str] = Counter()
        self._posts_of: Counter[str] = Counter()
        self._accepted_of: Counter[str] = Counter()
        self._doubled: dict[str, None] = {}
        self._doubled_accepted: dict[str, None] = {}
        self._answered = 0

    def record(
        self,
        *,
        at: float,
        phone_number_id: str,
        to: str | None,
        type: str | None,
        body: str | None,
        biz_opaque_callback_data: str | None,
        outcome: Outcome,
        fault: str | None = None,
        code: int | None = None,
        wamid: str | None = None,
    ) -> Entry:
        """Add one POST with the decision about it."""
        self._seq += 1
        entry = Entry(
            seq=self._seq,
            at=at,
            phone_number_id=phone_number_id,
            to=to,
            type=type,
            body=body,
            biz_opaque_callback_data=biz_opaque_callback_data,
            outcome=outcome,
            fault=fault,
            code=code,
            wamid=wamid,
        )
        self.entries.append(entry)
        self._count(entry)
        return entry

    def answered(self, entry: Entry, http_status: int) -> None:
        """The whole answer to `entry` has been written."""
        entry.http_status = http_status
        entry.answered = True
        if entry.seq >= self._first_seq:  # one from before a `clear` is in no count
            self._answered += 1

    def select(
        self, *, since: int = 0, phone_number_id: str | None = None, limit: int | None = None
    ) -> list[Entry]:
        """Entries with `seq > since`, oldest first, at most `limit` of one number or of all."""
        start = max(0, since - self._first_seq + 1)
        found = islice(self.entries, start, None)
        if phone_number_id is not None:
            found = islice((e for e in found if e.phone_number_id == phone_number_id), None)
        return list(islice(found, limit))

    def counts(self) -> dict[str, Any]:
        """`posts`, `answered`, and one count per outcome that occurred."""
        return {"posts": len(self.entries), "answered": self._answered, **self._outcomes}

    def summary(self) -> dict[str, Any]:
        """The oracle's short form; `doubled` and `doubled_accepted` list opaque ids.

        `doubled` were POSTed more than once, for whatever reason; `doubled_accepted` were taken
        more than once: the customer got the message twice.
        """
        return {
            "posts": len(self.entries),
            "accepted": self._outcomes["accepted"],
            "distinct_opaque": len(self._posts_of),
            "doubled": list(self._doubled),
            "doubled_accepted": list(self._doubled_accepted),
            "by_number": dict(self._by_number),
        }

    def _count(self, entry: Entry) -> None:
        self._outcomes[entry.outcome] += 1
        self._by_number[entry.phone_number_id] += 1
        opaque = entry.biz_opaque_callback_data
        if opaque is None:
            return
        self._posts_of[opaque] += 1
        if self._posts_of[opaque] == 2:
            self._doubled[opaque] = None
        if entry.outcome == "accepted":
            self._accepted_of[opaque] += 1
            if self._accepted_of[opaque] == 2:
                self._doubled_accepted[opaque] = None
