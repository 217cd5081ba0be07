"""Rest, and the invariants that hold in every row, held against Meta's own journal.

The checks of a single message are those of `tests.e2e.proof.truth`; what was promised to whom is
`tests.e2e.proof.oracle`'s. Here they get names, and a row one verdict.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import quantiles

from graphsim.journal import Entry
from tests.e2e.proof import truth
from tests.e2e.proof.oracle import Evidence, answered_once, in_order, stored_once
from tests.e2e.proof.store import Stored, read_messages, unrest
from tests.e2e.proof.truth import Case, Disturbance, Told
from tests.faults.stage import Stage

REST_SECONDS = 60.0
TENANT_TROUBLE = frozenset({0, 3, 10, 190, 200, 131031, 131042})
"""Graph's refusals for the tenant's sake: its messages wait until somebody has repaired it."""
MOST_LINES = 8
IN_DOUBT, RESENT = "in_doubt", "resent"
"""Events of a message's history."""

INVARIANTS = {
    "stored once": "every acknowledged wamid is stored once, and nothing else is",
    "answered once": "every acknowledged wamid has one answer, every accepted send one message",
    "in order": "to one recipient Meta gets messages in the order in which they were accepted, but"
    " for one that was in doubt first: a doubt does not hold the line",
    "not POSTed again": "no message id is POSTed again but after a refusal that passes, or when its"
    " tenant's policy is `resend`",
    "taken once": "Meta takes no message id twice, but where it was sent again by that policy",
    "states true": "every message is in the state, with the wamid or error, that the journal shows",
    "attempts counted": "attempts are the calls that were made",
    "explained": "a message's history tells every refusal",
    "doubts caused": "in doubt are only POSTs in flight at a kill, or whose answer was withheld",
    "comes to rest": "it comes to rest by itself",
}
"""Name of each, as a failure shows it, and what it says."""

OF_A_ROUND = {
    "not POSTed again": truth.posted_again_only_if_refused,
    "taken once": truth.taken_once,
}
"""A message that was sent again by its tenant's policy begins a new round."""
OF_A_MESSAGE = {
    "states true": truth.in_a_true_state,
    "explained": truth.explained,
}
OF_THE_WHOLE = {"stored once": stored_once, "answered once": answered_once}


class ViolationError(AssertionError):
    """An invariant does not hold; the message names it, and what shows it."""


@dataclass(frozen=True)
class Outcome:
    """A row at rest: what was found, and what is wrong with it, by invariant."""

    stored: Sequence[Stored]
    posts: int
    doubts: dict[str, int]
    """By cause: `killed`, `withheld`, `refusing`, `unread`."""
    rest_seconds: float
    wrong: dict[str, list[str]]

    @property
    def outgoing(self) -> list[Stored]:
        """Messages to customers."""
        return [one for one in self.stored if one.direction == "OUT"]

    def figures(self, stage: Stage) -> str:
        """In one line."""
        states = Counter(one.status for one in self.outgoing)
        said = [
            f"{len(self.stored) - len(self.outgoing)} in, {len(self.outgoing)} out"
            f" ({', '.join(f'{count} {status}' for status, count in sorted(states.items()))}),"
            f" {self.posts} POSTs"
        ]
        if stage.refused:
            said.append(f"asked again {stage.refused} times")
        if stage.kills:
            flight = sum(len(kill.unanswered) for kill in stage.kills)
            names = ", ".join(" ".join(kill.roles) for kill in stage.kills)
            said.append(f"ended or held: {names}, with {flight} POSTs in flight")
        said.append(f"in doubt {sum(self.doubts.values())}")
        said.append(f"at rest after {self.rest_seconds:.1f} s")
        return "; ".join(said)


async def come_to_rest(stage: Stage, *, doubts: bool, seconds: float = REST_SECONDS) -> Outcome:
    """Wait until nothing waits, then hold every invariant; raises `ViolationError` when one breaks.

    `doubts`: whether any message may be in doubt at all.
    """
    began = time.monotonic()
    await _at_rest(stage, seconds=seconds)
    if stage.rested_after is None:
        stage.rested_after = time.monotonic() - began
    outcome = await judged(stage, stage.rested_after, doubts=doubts)
    if outcome.wrong:
        raise ViolationError(_told(outcome.wrong))
    return outcome


async def judged(stage: Stage, rest_seconds: float, *, doubts: bool) -> Outcome:
    """Every invariant, held against what is stored now."""
    stored = await read_messages(stage.as_proof)
    evidence = Evidence(stage.talks, stored, stage.journal)
    wrong: dict[str, list[str]] = defaultdict(list)
    for name, check in OF_THE_WHOLE.items():
        wrong[name] += check(evidence)
    wrong["answered once"] += _strangers(evidence)
    wrong["in order"] += in_order(_without_late_ones(evidence))
    cases = [_case(stage, one, posts) for one, posts in _with_posts(evidence)]
    for name, of_one in OF_A_ROUND.items():
        wrong[name] += [line for case in cases for each in _rounds(case) for line in of_one(each)]
    for name, of_one in OF_A_MESSAGE.items():
        wrong[name] += [line for case in cases for line in of_one(case)]
    wrong["attempts counted"] += [line for case in cases for line in _attempts_counted(case)]
    causes, lines = _doubts(stage, cases, doubts=doubts)
    wrong["doubts caused"] += lines
    found = {name: lines for name, lines in wrong.items() if lines}
    return Outcome(stored, len(stage.journal), causes, rest_seconds, found)


def departures(stage: Stage, stored: Sequence[Stored], accepted: dict[str, float]) -> list[float]:
    """Per message with a known time of acceptance (by id): the seconds until Meta had its POST."""
    ids = {one.id for one in stored}
    first: dict[str, float] = {}
    for entry in stage.journal:
        first.setdefault(entry.biz_opaque_callback_data or "", entry.at)
    return [first[one] - at for one, at in accepted.items() if one in ids and one in first]


def p95(values: Sequence[float]) -> float:
    """Of at least two."""
    return quantiles(values, n=20, method="inclusive")[-1]


async def _at_rest(stage: Stage, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    async with stage.mongo() as client:
        database = client.get_default_database()
        while found := await unrest(stage.simulator, database):
            if time.monotonic() > deadline:
                raise ViolationError(
                    _told({"comes to rest": [f"not within {seconds:g} s: {found}"]})
                )
            await asyncio.sleep(0.1)


def _with_posts(evidence: Evidence) -> Iterator[tuple[Stored, list[Entry]]]:
    posts_of = evidence.posts_of()
    for one in evidence.outgoing:
        yield one, posts_of.get(one.id, [])


def _without_late_ones(evidence: Evidence) -> Evidence:
    """Without POSTs of messages that were in doubt before: their lines have moved on by then.

    Those are resent by policy, or were claimed by a worker that was held up past its lease and then
    hands back what it knows it never POSTed.
    """
    doubted: dict[str, float] = {
        one.id: min(entry["at"].timestamp() for entry in one.history if entry["event"] == IN_DOUBT)
        for one in evidence.outgoing
        if any(entry["event"] == IN_DOUBT for entry in one.history)
    }

    def in_line(post: Entry) -> bool:
        return post.at <= doubted.get(post.biz_opaque_callback_data or "", post.at)

    return replace(evidence, journal=[post for post in evidence.journal if in_line(post)])


def _strangers(evidence: Evidence) -> Iterator[str]:
    known = {one.id for one in evidence.outgoing}
    for message_id, posts in evidence.posts_of().items():
        if message_id not in known:
            yield f"POSTed and not stored: {message_id}, {len(posts)} times"


def _rounds(case: Case) -> Iterator[Case]:
    """Its POSTs, parted where its tenant's policy had it sent again."""
    resent = [one["at"].timestamp() for one in case.message.history if one["event"] == RESENT]
    times = [float("-inf"), *resent, float("inf")]
    for since, until in pairwise(times):
        yield replace(case, posts=[post for post in case.posts if since <= post.at < until])


def _attempts_counted(case: Case) -> Iterator[str]:
    """A doubt counts a call, though it may never have left: also one that was resent since."""
    resent = sum(1 for one in case.message.history if one["event"] == RESENT)
    allowed = [replace(case.message, attempts=case.message.attempts - n) for n in range(resent + 1)]
    lines = [list(truth.attempts_counted(replace(case, message=one))) for one in allowed]
    yield from lines[0] if all(lines) else ()


def _case(stage: Stage, message: Stored, posts: Sequence[Entry]) -> Case:
    """One message and Meta's side of it, without what was refused for its tenant's sake.

    Such a refusal says nothing about the message: it was told, and the message waited.
    """
    posts = [post for post in posts if not (post.code in TENANT_TROUBLE and truth.told(post))]
    posts = [post for post in posts if not _turned_away(post)]
    history = tuple(one for one in message.history if one.get("code") not in TENANT_TROUBLE)
    customer = (message.recipient or "").removeprefix("+")
    return Case(
        replace(message, history=history),
        posts,
        _statuses(stage, customer),
        stage.failed_statuses.get(customer),
    )


def _turned_away(post: Entry) -> bool:
    """By a proxy, with a 4xx that is not Graph's: its caller knows that it never got to Graph."""
    status = post.http_status or 0
    return post.outcome == "http" and post.answered and 400 <= status < 500


def _statuses(stage: Stage, customer: str) -> Told:
    if customer in stage.without_statuses or not stage.simulator.settings.statuses:
        return Told.NONE
    return Told.FAILED if customer in stage.failed_statuses else Told.ALL


def _doubts(
    stage: Stage, cases: Sequence[Case], *, doubts: bool
) -> tuple[dict[str, int], list[str]]:
    """How many by cause, and what is wrong with them: no cause, or more than there can be."""
    known = Disturbance(tuple(stage.kills), stage.resets_unread, tuple(stage.refused_from))
    causes: Counter[str] = Counter()
    wrong: list[str] = []
    for case in cases:
        if case.message.status != "in_doubt":
            continue
        wrong += truth.doubts_few(case)
        cause = truth.cause_of_doubt(case, known)
        if cause is None:
            wrong.append(f"in doubt, though somebody must know: {case}")
        elif not doubts:
            wrong.append(f"in doubt ({cause}), and nothing was done that may cause it: {case}")
        causes[cause or "none"] += 1
    if causes["unread"] > stage.resets_unread:
        wrong.append(f"{causes['unread']} POSTs lost unread, {stage.resets_unread} were reset")
    return dict(causes), wrong


def _told(wrong: dict[str, list[str]]) -> str:
    lines = []
    for name, found in wrong.items():
        more = f" ({len(found)} such)" if len(found) > 1 else ""
        lines.append(f"violated: {name}: {INVARIANTS[name]}{more}")
        lines += [f"    {line}" for line in found[:MOST_LINES]]
    return "\n".join(lines)
