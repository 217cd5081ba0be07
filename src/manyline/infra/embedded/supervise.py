"""Keeps children running: a dead one is started again, a hopeless one ends the whole."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic

from manyline.infra.embedded.answering import describe_end
from manyline.infra.embedded.child import Child
from manyline.infra.embedded.errors import EmbeddedError, GaveUpError

MOST_DEATHS = 5
WINDOW_SECONDS = 60.0
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0
POINTLESS_EXIT = 78
"""EX_CONFIG of sysexits.h: the child itself says that another try would end the same way."""


class DeathRecord:
    """The deaths of one child within the window: how long to wait, and when to give up."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: deque[float] = deque()

    def add(self) -> None:
        """One more, now; those older than the window are forgotten."""
        now = self._clock()
        self._times.append(now)
        while now - self._times[0] > WINDOW_SECONDS:
            self._times.popleft()

    @property
    def too_many(self) -> bool:
        """Whether starting it again has stopped making sense."""
        return len(self._times) >= MOST_DEATHS

    @property
    def wait_seconds(self) -> float:
        """Doubles with each recent death: 0.2, 0.4, 0.8, 1.6, ..."""
        doubled: float = FIRST_WAIT_SECONDS * 2 ** (len(self._times) - 1)
        return min(doubled, LONGEST_WAIT_SECONDS)


class Supervisor:
    """Watches children from the moment they are handed over until `release`."""

    def __init__(
        self,
        report: Callable[[str], None],
        *,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._report = report
        self._clock = clock
        self._sleep = sleep
        self._children: dict[str, Child] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._end: asyncio.Future[GaveUpError] = asyncio.get_running_loop().create_future()

    @property
    def children(self) -> dict[str, Child]:
        """By role, each the latest; one that waits to be started again is still there, dead."""
        return dict(self._children)

    def watch(self, child: Child, respawn: Callable[[], Child]) -> None:
        """Start `child` again with `respawn` whenever it dies."""
        self._children[child.role] = child
        task = asyncio.create_task(self._keep_running(child, respawn))
        task.add_done_callback(self._notice_failure)
        self._tasks.append(task)

    async def beyond_help(self) -> GaveUpError:
        """Wait until some child is given up; return the reason."""
        return await asyncio.shield(self._end)

    async def release(self) -> None:
        """Stop watching: from here on a child that dies stays dead."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _keep_running(self, child: Child, respawn: Callable[[], Child]) -> None:
        deaths = DeathRecord(self._clock)
        while True:
            code = await child.wait()
            ended = describe_end(child)
            deaths.add()
            if code == POINTLESS_EXIT or deaths.too_many:
                self._give_up(ended, often=deaths.too_many)
                return
            self._report(f"{ended}; starting it again in {deaths.wait_seconds:.1f} s")
            await self._sleep(deaths.wait_seconds)
            try:
                child = respawn()
            except EmbeddedError as error:
                self._give_up(error.detail, often=False)
                return
            self._children[child.role] = child
            self._report(f"{child.role} is started again (process {child.pid})")

    def _notice_failure(self, task: asyncio.Task[None]) -> None:
        """A watch that fails itself (a full disk, say) must not leave its child unwatched."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._give_up(f"a child can no longer be watched: {error!r}", often=False)

    def _give_up(self, reason: str, *, often: bool) -> None:
        times = f" ({MOST_DEATHS} times within a minute)" if often else ""
        if not self._end.done():
            self._end.set_result(GaveUpError(f"{reason}{times}"))
