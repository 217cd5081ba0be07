"""Memory after very many messages, in one life of api and worker."""

import secrets
from collections.abc import Callable
from itertools import count

from bench import closed_loop, cpu, work
from bench.figures import Figures, Seen
from bench.forms import HUNDRED, Form
from bench.names import OURS, memory_of
from bench.ours import Ours
from bench.programs import BenchError
from bench.rest import Owed
from bench.round import MOST_PER_SECOND
from bench.stage import Stage

MEMORY = "memory"
PART_SECONDS = 20.0
"""The callers keep a file of requests in memory, so there are many parts."""

Say = Callable[[str], None]


class Memory:
    """Sends until so many messages have come and been answered."""

    def __init__(self, stage: Stage, form: Form, *, say: Say) -> None:
        self._stage = stage
        self._wanted = form.memory_messages
        self._say = say
        self._ours = Ours(stage, app_secret=secrets.token_hex(16), database="memory")

    def run(self, figures: Figures) -> None:
        """Raises `BenchError`."""
        self._ours.start(tenants=HUNDRED.tenants)
        try:
            parts = count()
            while self._taken() < self._wanted:
                self._send(next(parts))
            seen: Seen = {
                ("messages", memory_of(role)): cpu.peak_memory_mb(pid)
                for role, pid in self._ours.pids.items()
            }
            seen["messages", "messages"] = self._taken()
            self._ours.check()
        finally:
            self._ours.stop()
        figures.add(MEMORY, OURS, seen)
        self._say(f"memory after {self._taken():,} messages: {_told(seen)}")

    def _taken(self) -> int:
        """Messages so far; each has its reply."""
        return self._ours.store.size() // 2

    def _send(self, part: int) -> None:
        """More, for a while, until the last reply."""
        file = self._stage.requests
        messages = work.messages(
            int(MOST_PER_SECOND * PART_SECONDS),
            tenants=HUNDRED.tenants,
            app_secret=self._ours.app_secret,
            series=part,
        )
        work.write(messages, file)
        owed = Owed(self._stage.graph, self._ours.store)
        loaded = closed_loop.send(file, urls=self._ours.urls, seconds=PART_SECONDS)
        if loaded.refused:
            raise BenchError(f"{loaded.refused} messages were not answered 200")
        owed.wait()
        self._say(f"memory: {self._taken():,} messages, {loaded.per_second:,.0f}/s")


def _told(seen: Seen) -> str:
    return ", ".join(
        f"{role} {seen['messages', memory_of(role)]:.0f} MB" for role in ("api", "worker")
    )
