"""One round of one contestant: each kind of work in turn, from its first POST to its last reply.

    messages    customers' messages, as fast as they are taken, until Graph has the last reply
    mixed       one message to three statuses of earlier replies, likewise
    sends       tenants' own sends by the API, as fast as they are taken, until Graph has them all
    half load   `mixed` again, at half the pace that it reached: times to answer (see `half_load`)

A round raises `BenchError` when its books do not balance: a webhook that was answered 200 and is
not stored, a message without its reply, a reply that Graph did not get exactly once.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from bson import ObjectId

from bench import closed_loop, cpu, half_load, work
from bench.closed_loop import Loaded
from bench.contestants import Contestant
from bench.figures import Seen
from bench.names import (
    ACKNOWLEDGED,
    DISK,
    END_TO_END,
    FLUSH,
    LOAD_BEFORE,
    OTHERS,
    cpu_of,
    memory_of,
)
from bench.processes import wait_until
from bench.programs import BenchError
from bench.rest import Owed
from bench.stage import Stage
from bench.store import Reply, from_now_on
from bench.work import Request

MOST_PER_SECOND = 4000
"""More requests than this a second are not prepared; the load ends early when they run out."""
SETTLE_SECONDS = 10.0


@dataclass(frozen=True)
class Kind:
    """A kind of work, by what comes with each message that Graph gets."""

    name: str
    documents: int
    """A send is one document, a reply and its cause are two."""
    requests: int


MESSAGES = Kind("messages", documents=2, requests=1)
MIXED = Kind("mixed", documents=2, requests=4)
SENDS = Kind("sends", documents=1, requests=1)


@dataclass(frozen=True)
class Case:
    """So many tenants. With `all_work` all four kinds are done, else only messages.

    Without `replies` they are not waited for: one tenant's number sends no more than its 80 a
    second.
    """

    name: str
    tenants: int
    replies: bool = True
    all_work: bool = False


class Round:
    """Runs a case's work against a contestant that is started; once."""

    def __init__(
        self, stage: Stage, who: Contestant, case: Case, *, number: int, seconds: float
    ) -> None:
        """`number`: of this round in this database; wamids and keys of others are other ones."""
        self._stage = stage
        self._who = who
        self._case = case
        self._seconds = seconds
        self._series = count(number << 4)
        self._seen: Seen = {}

    def run(self) -> Seen:
        """All of it; figures by work and name."""
        self._seen["round", LOAD_BEFORE] = os.getloadavg()[0]
        started = from_now_on()
        self._messages()
        if self._case.all_work:
            replies = list(self._who.store.replies(started))
            mixed = from_now_on()
            per_second = self._mixed(replies)
            self._sends()
            replies = list(self._who.store.replies(mixed))
            self._half_load(replies, per_second=per_second / 2)
        for role, pid in self._who.pids.items():
            self._seen["round", memory_of(role)] = cpu.peak_memory_mb(pid)
        self._who.check()
        return self._seen

    def _messages(self) -> None:
        store, since, before = self._who.store, from_now_on(), self._who.store.size()
        loaded = self._load(MESSAGES, self._said())

        def all_have_replies() -> bool:
            return store.received(since) * MESSAGES.documents == store.size() - before

        wait_until(all_have_replies, what="not each message has its reply", seconds=SETTLE_SECONDS)
        stored = store.received(since)
        if stored != loaded.taken:
            raise BenchError(
                f"{self._who.name}: {loaded.taken} webhooks were answered 200, {stored} are stored"
            )
        if (flushed := self._who.messages_in_a_flush()) is not None:
            self._seen["messages", FLUSH] = flushed

    def _mixed(self, replies: Sequence[Reply]) -> float:
        """The statuses are those of `replies`. Answers the requests taken a second."""
        mixture = work.mixture(self._said(), self._statuses(replies))
        return self._load(MIXED, mixture).per_second

    def _sends(self) -> None:
        sends = work.sends(
            self._most(),
            self._who.tenant_ids,
            header=self._who.send_header,
            series=next(self._series),
        )
        self._load(SENDS, sends)

    def _half_load(self, replies: Sequence[Reply], *, per_second: float) -> None:
        self._seen |= half_load.measure(
            self._stage,
            work.mixture(self._said(), self._statuses(replies)),
            prepare=self._prepare,
            url=self._who.urls[0],
            per_second=per_second,
            seconds=self._seconds,
        )

    def _load(self, kind: Kind, requests: Iterable[Request]) -> Loaded:
        """Send as fast as it is taken, wait for the last reply, and note all about it."""
        self._prepare(requests)
        pids = self._who.pids | self._stage.pids
        since = from_now_on()
        owed = Owed(self._stage.graph, self._who.store, documents=kind.documents)
        before = cpu.read(pids)
        loaded = closed_loop.send(self._stage.requests, urls=self._who.urls, seconds=self._seconds)
        if loaded.refused:
            raise BenchError(
                f"{self._who.name}: {loaded.refused} of {kind.name} were not answered 200"
            )
        taken = loaded.taken
        if self._case.replies:
            last_at, sent = owed.wait(), owed.messages
            self._seen[kind.name, END_TO_END] = sent / (last_at - loaded.first_at)
            taken = sent * kind.requests
            self._check_sent(kind, since, sent)
        spent = cpu.between(before, cpu.read(pids), load=loaded.cpu_seconds)
        self._seen[kind.name, ACKNOWLEDGED] = loaded.per_second
        self._note_cpu(kind, spent, taken)
        return loaded

    def _prepare(self, requests: Iterable[Request]) -> None:
        """Have them ready, and nothing else of what came before under way."""
        work.write(requests, self._stage.requests)
        slowest = self._stage.come_to_rest(self._who.store)
        self._seen["round", DISK] = max(slowest, self._seen.get(("round", DISK), 0.0))

    def _check_sent(self, kind: Kind, since: ObjectId, sent: int) -> None:
        """The store says `sent` of what Graph got; of the very last one a moment later."""
        wait_until(
            lambda: self._who.store.sent(since) == sent,
            what=f"{self._who.name}: not all {sent} of {kind.name} that Graph got count as sent",
            seconds=SETTLE_SECONDS,
        )

    def _note_cpu(self, kind: Kind, spent: cpu.Spent, requests: int) -> None:
        for role, seconds in spent.by_role.items():
            self._seen[kind.name, cpu_of(role)] = seconds * 1e6 / requests
        self._seen[kind.name, cpu_of("all")] = sum(spent.by_role.values()) * 1e6 / requests
        self._seen[kind.name, OTHERS] = 100 * spent.elsewhere_share

    def _said(self) -> Iterable[Request]:
        return work.messages(
            self._most(),
            tenants=self._case.tenants,
            app_secret=self._who.app_secret,
            series=next(self._series),
        )

    def _statuses(self, replies: Sequence[Reply]) -> Iterable[Request]:
        return work.statuses(replies, app_secret=self._who.app_secret)

    def _most(self) -> int:
        return int(MOST_PER_SECOND * self._seconds)
