"""What must be true when all is at rest, whatever was killed: held against Meta's own journal.

Each check yields one line per thing that is wrong, with the ids and the journal's lines that
show it. `verdict` runs them all.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from graphsim.journal import Entry
from tests.e2e.proof.stage import LATENCY_SECONDS, Kill, Stage, log_tails
from tests.e2e.proof.store import Stored
from tests.e2e.proof.talk import Talk

TAKEN = {"sent", "delivered", "read"}
# From a claim to Meta's having the POST, and from Meta's answer to its being stored. Seen on two
# very busy cores: 0.7 s at the worst.
ON_THE_WAY_SECONDS = 1.5
# The median. Seen: 0.02 to 0.06 s.
DEPARTURE_SECONDS = 0.5
MOST_LINES = 25


@dataclass(frozen=True)
class Evidence:
    """What was promised, what is stored, what Meta got, and what was killed."""

    talks: Sequence[Talk]
    stored: Sequence[Stored]
    journal: Sequence[Entry]
    kills: Sequence[Kill] = ()
    may_doubt: bool = False
    """Whether a kill among these can leave a message in doubt at all."""
    statuses: bool = True
    """Whether Meta reported what became of the messages that it took."""

    @property
    def outgoing(self) -> list[Stored]:
        return [one for one in self.stored if one.direction == "OUT"]

    def posts_of(self) -> dict[str, list[Entry]]:
        """By message id."""
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.journal:
            found[entry.biz_opaque_callback_data or ""].append(entry)
        return found


def assert_true(evidence: Evidence, stage: Stage) -> None:
    """Fail with everything that is wrong, and with the last lines of each log."""
    wrong = list(verdict(evidence))
    if wrong:
        shown = [*wrong[:MOST_LINES], f"... {len(wrong)} in all", figures(evidence)]
        raise AssertionError("\n".join([*shown, log_tails(stage.up)]))


def verdict(evidence: Evidence) -> Iterator[str]:
    """Everything that is wrong, one line each."""
    yield from stored_once(evidence)
    yield from answered_once(evidence)
    yield from posted_once(evidence)
    yield from states_true(evidence)
    yield from in_order(evidence)
    yield from doubts_explained(evidence)
    yield from claimed_last(evidence)


def stored_once(evidence: Evidence) -> Iterator[str]:
    """Each webhook that was answered 200 is one inbound message, and nothing else is."""
    stored = Counter((one.tenant_id, one.wamid) for one in evidence.stored if one.direction == "IN")
    promised = {(t.line.tenant_id, wamid): t for t in evidence.talks for wamid in t.wamids}
    for key in promised.keys() | stored.keys():
        count = stored[key]
        if count != (1 if key in promised else 0):
            said = "answered 200" if key in promised else "never answered 200"
            yield f"inbound {key[1]} of tenant {key[0]}: {said}, stored {count} times"


def answered_once(evidence: Evidence) -> Iterator[str]:
    """Each inbound message has one reply, each send one message; there are no others."""
    by_key: dict[tuple[str, str | None], list[Stored]] = defaultdict(list)
    for one in evidence.outgoing:
        by_key[one.tenant_id, one.key].append(one)
    for talk in evidence.talks:
        for key in talk.promised:
            found = by_key.pop((talk.line.tenant_id, key), [])
            if len(found) != 1:
                yield f"{key}: {len(found)} messages instead of one: {_listed(found)}"
                continue
            yield from _as_promised(talk, key, found[0])
    for strangers in by_key.values():
        yield f"nobody was promised: {_listed(strangers)}"


def _as_promised(talk: Talk, key: str, found: Stored) -> Iterator[str]:
    body = f"news {key}" if key in talk.sends else talk.line.reply
    if found.body != body or found.recipient != f"+{talk.customer}":
        yield f"{key}: to {found.recipient} with {found.body!r}, not to {talk.customer} {body!r}"
    if key in talk.sends and talk.sends[key] != found.id:
        yield f"{key}: the answer named {talk.sends[key]}, stored is {found}"


def posted_once(evidence: Evidence) -> Iterator[str]:
    """No message id twice in the journal, and none that is not ours."""
    known = {one.id for one in evidence.outgoing}
    for message_id, posts in evidence.posts_of().items():
        if len(posts) > 1:
            yield f"{message_id} POSTed {len(posts)} times: {posts_shown(posts)}"
        if message_id not in known:
            yield f"POSTed and not stored: {posts_shown(posts)}"


def states_true(evidence: Evidence) -> Iterator[str]:
    """At rest a message is sent (Meta took it, under that wamid) or in doubt, and nothing else."""
    posts_of = evidence.posts_of()
    for one in evidence.outgoing:
        posts = posts_of.get(one.id, [])
        taken = [post for post in posts if post.outcome == "accepted"]
        if one.status in TAKEN:
            if [post.wamid for post in taken] != [one.wamid]:
                yield f"not what Meta took: {one}; journal: {posts_shown(posts)}"
            if evidence.statuses and one.status != "read":
                yield f"Meta said that it was read: {one}"
        elif one.status != "in_doubt":
            yield f"not at rest, and no fault was asked for: {one}; journal: {posts_shown(posts)}"
        elif one.wamid is not None or (taken and evidence.statuses):
            yield f"in doubt, though Meta has told: {one}; journal: {posts_shown(posts)}"


def in_order(evidence: Evidence) -> Iterator[str]:
    """To one recipient Meta got the messages in the order in which they were accepted."""
    key_of = {one.id: one.key for one in evidence.outgoing}
    posted: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in evidence.journal:
        key = key_of.get(entry.biz_opaque_callback_data or "")
        if entry.outcome == "accepted" and key is not None:
            posted[entry.phone_number_id, entry.to or ""].append(key)
    for talk in evidence.talks:
        got = posted[talk.line.number, f"+{talk.customer}"]
        wanted = [key for key in talk.promised if key in set(got)]
        if got != wanted:
            yield f"to {talk.customer} of {talk.line.name}: got {got}, accepted as {wanted}"


def doubts_explained(evidence: Evidence) -> Iterator[str]:
    """In doubt are only messages whose POST was under way at a kill.

    A POST is under way from the message's claim until Meta's answer is stored. A killed worker
    says nothing any more, so this is judged from outside. Most had reached Meta and had no answer
    yet: `Kill.unanswered`. Besides them there are those that had just left (claimed, not at Meta
    yet) and those that had just been answered (the answer not stored yet); for either, "just" is
    `ON_THE_WAY_SECONDS`. A worker that claims ahead or keeps answers to itself leaves older doubts,
    one that goes wrong after its restart newer ones.
    """
    doubts = [one for one in evidence.outgoing if one.status == "in_doubt"]
    if doubts and not evidence.may_doubt:
        yield f"nothing may be in doubt after {evidence.kills}: {_listed(doubts)}"
        return
    posts_of = evidence.posts_of()
    for one in doubts:
        posts = posts_of.get(one.id, [])
        if not any(_under_way(one, posts, kill) for kill in evidence.kills):
            since = ", ".join(_since(one, posts, kill) for kill in evidence.kills)
            yield f"in doubt, but not under way at a kill: {one}; {since or 'no kill'}"


def _under_way(doubt: Stored, posts: Sequence[Entry], kill: Kill) -> bool:
    if doubt.claimed_at is None or doubt.claimed_at.timestamp() > kill.at:
        return False
    # A POST that left before the kill may be read by Meta a moment after it.
    had_left = bool(posts) and posts[0].at <= kill.at
    began = posts[0].at + LATENCY_SECONDS if had_left else doubt.claimed_at.timestamp()
    return doubt.id in kill.unanswered or kill.at - began <= ON_THE_WAY_SECONDS


def _since(doubt: Stored, posts: Sequence[Entry], kill: Kill) -> str:
    claimed = kill.at - doubt.claimed_at.timestamp() if doubt.claimed_at else 0.0
    posted = f"POSTed {kill.at - posts[0].at:.3f} s before" if posts else "not POSTed"
    return f"{kill.roles}: claimed {claimed:.3f} s before, {posted}"


def claimed_last(evidence: Evidence) -> Iterator[str]:
    """A message is claimed when it is POSTed and not earlier, or a kill would cost more."""
    departures = departure_seconds(evidence)
    if departures and median(departures) > DEPARTURE_SECONDS:
        yield f"from its claim to Meta's having it, a message takes {median(departures):.2f} s"


def departure_seconds(evidence: Evidence) -> list[float]:
    """Per POST: from the message's claim to Meta's having it."""
    claimed = {one.id: one.claimed_at for one in evidence.outgoing}
    return [
        entry.at - at.timestamp()
        for entry in evidence.journal
        if (at := claimed.get(entry.biz_opaque_callback_data or ""))
    ]


def figures(evidence: Evidence) -> str:
    """The run in one line."""
    doubts = [one for one in evidence.outgoing if one.status == "in_doubt"]
    posted = evidence.posts_of().keys()
    unanswered = {message_id for kill in evidence.kills for message_id in kill.unanswered}
    departures = sorted(departure_seconds(evidence)) or [0.0]
    return (
        f"{len(evidence.stored) - len(evidence.outgoing)} IN, OUT"
        f" {dict(Counter(one.status for one in evidence.outgoing))}, {len(evidence.journal)} POSTs;"
        f" at kills {[kill.roles for kill in evidence.kills]} Meta had {len(unanswered)} to answer;"
        f" in doubt {len(doubts)}, of which {len([d for d in doubts if d.id in posted])} POSTed;"
        f" claim to POST {median(departures):.3f} s, at most {departures[-1]:.3f} s"
    )


def _listed(messages: Iterable[Stored]) -> str:
    return "; ".join(str(one) for one in messages) or "none"


def posts_shown(posts: Iterable[Entry]) -> str:
    """A message's POSTs, for a failure's message."""
    lines = [
        f"#{p.seq} {p.outcome} {p.fault or ''} {p.code or p.wamid} to {p.to}"
        f" answered={p.answered} of {p.biz_opaque_callback_data}"
        for p in posts
    ]
    return "; ".join(lines) or "no POST"
