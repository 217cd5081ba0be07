"""What Meta's journal proves about a message, whatever went wrong on the way. Pure.

The journal is Meta's side: which POSTs arrived, which were taken, which answers were written. Our
side is judged by what it could know of that. A POST is

- refused: Graph's error. `told`, its caller knows that it was not taken.
- taken: it has a wamid, whatever the caller saw of it. `told`, the caller knows.
- lost: neither; nobody on our side can know that (an HTTP 502, a reset, no answer).

So a message may be POSTed again only after refusals that were told and pass, ends `failed` only by
a told refusal that does not pass, `sent` only when taken, and is in doubt only when its last POST
was not told or its worker was killed before it could write down what it was told. Statuses tell,
too: a message that was taken and of which Meta reported is never in doubt.

Each check yields one line per thing that is wrong.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from graphsim.journal import Entry
from tests.e2e.proof.oracle import ON_THE_WAY_SECONDS, TAKEN, posts_shown
from tests.e2e.proof.schedule import PASSING, WAITING
from tests.e2e.proof.stage import LATENCY_SECONDS, Kill
from tests.e2e.proof.store import Stored

SILENT = {"http", "hang", "reset", "late", "slow_drip"}
"""Faults that can keep Graph's answer from its caller."""
CLOCK_SECONDS = 0.05
"""How far the store's clock and ours may be apart."""


class Told(Enum):
    """What statuses Meta sends of the messages of one customer."""

    ALL = "all"
    NONE = "none"
    FAILED = "failed"
    """Instead of the usual ones, one that says that it came to nothing."""


@dataclass(frozen=True)
class Disturbance:
    """What was done to the system besides the faults that the journal names."""

    kills: Sequence[Kill] = ()
    resets_unread: int = 0
    """POSTs that were reset before they were read: they are not in the journal."""
    refused_from: Sequence[float] = ()
    """When the listener was closed (Unix seconds): what was just being written on an idle
    connection is lost without an entry."""


@dataclass(frozen=True)
class Case:
    """One message, and everything that Meta knows of it."""

    message: Stored
    posts: Sequence[Entry]
    statuses: Told = Told.ALL
    status_code: int | None = None
    """The error inside the `failed` status."""

    def __str__(self) -> str:
        return f"{self.message}; journal: {posts_shown(self.posts)}"


def taken(post: Entry) -> bool:
    """Meta has the message."""
    return post.outcome == "accepted"


def refused(post: Entry) -> bool:
    """Graph said no."""
    return post.outcome == "error"


def told(post: Entry) -> bool:
    """Graph's own answer was written whole: its caller knew, unless it was dead by then."""
    return post.answered and post.fault != "http"


def withheld(post: Entry) -> bool:
    """A fault kept Graph's answer from the caller."""
    return post.fault in SILENT and not told(post)


def passes(post: Entry, earlier: Sequence[Entry]) -> bool:
    """Whether a refused message may be tried again, after so many earlier refusals."""
    if post.code in WAITING:
        return True
    if post.code not in PASSING:
        return False
    tries = 1 + sum(1 for one in earlier if one.code in PASSING)
    return tries < PASSING[post.code]


def posted_again_only_if_refused(case: Case) -> Iterator[str]:
    """Each POST but the last was refused, told so, and for a reason that passes."""
    for place, post in enumerate(case.posts[:-1]):
        if not refused(post) or not told(post):
            yield f"POSTed again though #{post.seq} may have been taken: {case}"
        elif not passes(post, case.posts[:place]):
            yield f"POSTed again after #{post.seq}, which does not pass: {case}"


def taken_once(case: Case) -> Iterator[str]:
    """The customer does not get it twice."""
    if sum(1 for post in case.posts if taken(post)) > 1:
        yield f"taken more than once: {case}"


def true_states(case: Case) -> set[str]:
    """In which of these states it may be at rest. `in_doubt` needs a cause besides."""
    last = case.posts[-1] if case.posts else None
    if last is None or not (taken(last) or refused(last)):
        return {"in_doubt"}
    if refused(last):
        if not told(last):
            return {"in_doubt"}
        return {"in_doubt"} if passes(last, case.posts[:-1]) else {"in_doubt", "failed"}
    if case.statuses is Told.ALL:
        return {"read"}
    if case.statuses is Told.FAILED:
        return {"failed"}
    return {"sent", "in_doubt"} if told(last) else {"in_doubt"}


def in_a_true_state(case: Case) -> Iterator[str]:
    """Final, and what the journal says; with the wamid or the error that the journal has."""
    message, allowed = case.message, true_states(case)
    if message.status not in allowed:
        yield f"is {message.status}, must be {' or '.join(sorted(allowed))}: {case}"
        return
    wamid = case.posts[-1].wamid if case.posts else None
    if message.status in TAKEN and message.wamid != wamid:
        yield f"has the wamid {message.wamid}, Meta gave {wamid}: {case}"
    if message.status == "in_doubt" and message.wamid is not None:
        yield f"in doubt, with a wamid: {case}"
    code = (message.error or {}).get("code")
    if message.status == "failed" and code != _failing_code(case):
        yield f"failed with {code}, Meta said {_failing_code(case)}: {case}"
    if message.status in TAKEN and message.error is not None:
        yield f"sent, and shows an error: {case}"


def _failing_code(case: Case) -> int | None:
    last = case.posts[-1]
    return last.code if refused(last) else case.status_code


def attempts_counted(case: Case) -> Iterator[str]:
    """Each call counts but those that Meta asked to wait with; a doubt counts its own."""
    calls = sum(1 for post in case.posts if post.code not in WAITING)
    allowed = {calls, calls + 1} if case.message.status == "in_doubt" else {calls}
    if case.message.attempts not in allowed:
        yield f"{case.message.attempts} attempts, the journal has {calls}: {case}"


def explained(case: Case) -> Iterator[str]:
    """Its history tells every refusal, in order; the last may have died with its worker."""
    codes = [post.code for post in case.posts if refused(post)]
    kept = [entry["code"] for entry in case.message.history if "code" in entry]
    missing = codes[: len(codes) - 1] if case.message.status == "in_doubt" else codes
    if kept not in (codes, missing):
        yield f"its history tells of {kept}, Meta said {codes}: {case}"


def doubts_few(case: Case) -> Iterator[str]:
    """In doubt: at most one POST whose answer nobody could store."""
    if case.message.status != "in_doubt":
        return
    unstored = [post for post in case.posts if not (refused(post) and told(post))]
    if len(unstored) > 1:
        yield f"in doubt after {len(unstored)} POSTs without an answer: {case}"


def cause_of_doubt(case: Case, disturbance: Disturbance) -> str | None:
    """Why nobody knows: `withheld`, `killed`, `unread`, `refusing`; None when somebody must."""
    if case.message.claimed_at is None:
        return None
    claimed = case.message.claimed_at.timestamp()
    of_claim = [post for post in case.posts if post.at >= claimed - CLOCK_SECONDS]
    last = of_claim[-1] if of_claim else None
    if last is not None and withheld(last):
        return "withheld"
    if any(_under_way(case.message, last, kill) for kill in disturbance.kills):
        return "killed"
    if last is not None:
        return None
    if any(abs(claimed - at) < ON_THE_WAY_SECONDS for at in disturbance.refused_from):
        return "refusing"
    return "unread" if disturbance.resets_unread else None


def _under_way(message: Stored, post: Entry | None, kill: Kill) -> bool:
    """Claimed by who was killed; not yet at Meta, not answered, or answered only just before.

    Only Meta's side of it is seen from here, so "just" is `ON_THE_WAY_SECONDS`.
    """
    assert message.claimed_at is not None
    owner = (message.lease_owner or "").rpartition("/")[0]
    if kill.owner is not None and owner != kill.owner:
        return False
    claimed = message.claimed_at.timestamp()
    if claimed > kill.at + CLOCK_SECONDS:
        return False
    began = claimed if post is None else post.at + LATENCY_SECONDS
    return message.id in kill.unanswered or kill.at - began <= ON_THE_WAY_SECONDS


CHECKS = (
    posted_again_only_if_refused,
    taken_once,
    in_a_true_state,
    attempts_counted,
    explained,
    doubts_few,
)


@dataclass(frozen=True)
class Findings:
    """What is wrong, one line each, and by cause which messages are in doubt."""

    wrong: Sequence[str]
    doubts: Mapping[str, Sequence[Case]] = field(default_factory=dict)


def judge(cases: Iterable[Case], disturbance: Disturbance) -> Findings:
    """Hold every check against every message, and every doubt against what could cause it."""
    wrong: list[str] = []
    doubts: dict[str, list[Case]] = {}
    for case in cases:
        wrong += [line for check in CHECKS for line in check(case)]
        if case.message.status == "in_doubt":
            doubts.setdefault(cause_of_doubt(case, disturbance) or "none", []).append(case)
    wrong += [f"in doubt, though somebody must know: {case}" for case in doubts.get("none", ())]
    unread = doubts.get("unread", ())
    if len(unread) > disturbance.resets_unread:
        wrong.append(f"{len(unread)} POSTs lost unread, {disturbance.resets_unread} were reset")
    return Findings(wrong, doubts)
