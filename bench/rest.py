"""Waiting for the last reply: how many was Graph owed, and when did it get the last?"""

import time

from bench.fake_graph import FakeGraph
from bench.programs import BenchError
from bench.store import Store

QUIET_SECONDS = 1.0
REST_SECONDS = 60.0
POLL_SECONDS = 0.02


class Owed:
    """What Graph is to get of all that is stored from now on."""

    def __init__(self, graph: FakeGraph, store: Store, *, documents: int = 2) -> None:
        """`documents` come with each message to Graph: a send is one, a reply and its cause two."""
        self._graph = graph
        self._store = store
        self._documents = documents
        self._posts_before = graph.posts()
        self._size_before = store.size()

    @property
    def messages(self) -> int:
        """How many there are so far."""
        return (self._store.size() - self._size_before) // self._documents

    def wait(self) -> float:
        """When Graph got the last of them, by `time.monotonic`, to 20 ms.

        Returns once it has all and none came for a second: requests that were under way when the
        load ended are stored after it. Raises `BenchError` when none comes for a minute and some
        are missing, or when there are too many.
        """
        posts, last_at = self._posts(), time.monotonic()
        while True:
            time.sleep(POLL_SECONDS)
            have, now = self._posts(), time.monotonic()
            if have != posts:
                posts, last_at = have, now
            elif now - last_at > QUIET_SECONDS and posts >= self.messages:
                if posts > self.messages:
                    raise BenchError(f"Graph got {posts} POSTs for {self.messages} messages")
                return last_at
            elif now - last_at > REST_SECONDS:
                raise BenchError(
                    f"Graph got {posts} of {self.messages} messages, and none of the others for"
                    f" {REST_SECONDS:.0f} s"
                )

    def _posts(self) -> int:
        return self._graph.posts() - self._posts_before
