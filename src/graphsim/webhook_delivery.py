"""Delivers webhooks as Meta does: signed, many at once, again and again until the answer is 200.

An `Update` is one change for the receiver to hear of; a POST carries one or more of them. Waits
between tries grow from 0.1 s to 5 s and never end while the simulator lives. A POST that was
answered with anything but 200 waits outside, so others go on; one that got no answer keeps its
place while it waits, since nothing else would get through either: a receiver that is away costs
a few tries a second however much is pending.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from graphsim.payloads import envelope, signature
from graphsim.settings import Settings

FIRST_WAIT = 0.1
LONGEST_WAIT = 5.0
QUIET_AFTER_WARNING = 10.0

FirstAnswer = asyncio.Future[int | None]

_log = logging.getLogger("graphsim")


@dataclass(slots=True, eq=False)
class Update:
    """One change of a webhook; `heard` is called once, when the receiver has answered 200."""

    waba_id: str
    change: dict[str, Any]
    heard: Callable[[], None]


@dataclass(slots=True, eq=False)
class _Post:
    """One webhook body; its copies are delivered each for itself."""

    updates: Sequence[Update]
    body: bytes
    copies_left: int


@dataclass(slots=True, eq=False)
class _Copy:
    post: _Post
    tries: int = 0
    first_answer: FirstAnswer | None = None


@dataclass(slots=True)
class Counters:
    """Updates are counted once however many copies they have; tries are POSTs."""

    pending: int = 0
    """Updates promised and not yet heard; 0 means that everything is quiet."""
    delivered: int = 0
    dropped: int = 0
    """Left out because a fault said so."""
    discarded: int = 0
    """Left out because no webhook URL was set."""
    posts: int = 0
    """POSTs answered 200."""
    failed_attempts: int = 0
    in_flight: int = 0
    last_failure: str | None = None
    """Of the newest failed try: `HTTP 503`, or the name of the connection's error."""


class WebhookDelivery:
    """Must be opened inside the event loop it is used in, and closed."""

    def __init__(self, settings: Settings) -> None:
        self.counters = Counters()
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._ready: deque[_Copy] = deque()
        self._gathering: list[Update] = []
        self._gather_timer: asyncio.TimerHandle | None = None
        self._tries: set[asyncio.Task[None]] = set()
        self._quiet_until = 0.0

    async def open(self) -> None:
        """Make the HTTP client."""
        self._session = aiohttp.ClientSession(
            # As many connections as there are tries, closed before a receiver's usual 5 s.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4.0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Content-Type": "application/json", "User-Agent": "facebookexternalua"},
        )

    async def close(self) -> None:
        """Give up whatever is pending; what is offered later is ignored."""
        session, self._session = self._session, None
        if self._gather_timer is not None:
            self._gather_timer.cancel()
        tries = list(self._tries)
        for task in tries:
            task.cancel()
        await asyncio.gather(*tries, return_exceptions=True)
        if session is not None:
            await session.close()

    def promise(self, updates: int) -> None:
        """So many updates will be offered sooner or later: they are pending from now on."""
        self.counters.pending += updates

    def offer(self, update: Update) -> None:
        """Deliver `update`, together with others when several go into one POST."""
        if self._settings.statuses_per_post <= 1:
            self.post([update])
            return
        self._gathering.append(update)
        if len(self._gathering) >= self._settings.statuses_per_post:
            self._post_gathered()
        elif self._gather_timer is None:
            loop = asyncio.get_running_loop()
            self._gather_timer = loop.call_later(self._settings.gather_seconds, self._post_gathered)

    def post(self, updates: Sequence[Update], *, copies: int = 1) -> None:
        """Deliver `updates` in one POST of their own, `copies` times at once."""
        self._enqueue(_post_of(updates, copies), [None] * copies)

    def post_and_tell(self, updates: Sequence[Update], *, copies: int = 1) -> list[FirstAnswer]:
        """As `post`; each copy's future gets the HTTP status of its first try, None for none."""
        loop = asyncio.get_running_loop()
        answers: list[FirstAnswer] = [loop.create_future() for _ in range(copies)]
        self._enqueue(_post_of(updates, copies), answers)
        return answers

    def _enqueue(self, post: _Post, answers: Sequence[FirstAnswer | None]) -> None:
        self._ready.extend(_Copy(post=post, first_answer=answer) for answer in answers)
        self._pump()

    def _post_gathered(self) -> None:
        if self._gather_timer is not None:
            self._gather_timer.cancel()
            self._gather_timer = None
        gathered, self._gathering = self._gathering, []
        if gathered:
            self.post(gathered)

    def _pump(self) -> None:
        """Start tries for what is ready, as many as may be under way."""
        while self._ready and len(self._tries) < self._settings.webhook_concurrency:
            if self._session is None:
                return
            copy = self._ready.popleft()
            task = asyncio.create_task(self._deliver(copy, self._session))
            self._tries.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tries.discard(task)
        self._pump()

    async def _deliver(self, copy: _Copy, session: aiohttp.ClientSession) -> None:
        """Try until there is an answer; an answer that is not 200 puts `copy` back for later."""
        answer = await self._try(copy, session)
        while answer is None:
            await asyncio.sleep(_wait_after(copy.tries))
            answer = await self._try(copy, session)
        if answer == 200:
            self._heard(copy.post)
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(_wait_after(copy.tries), self._again, copy)

    def _again(self, copy: _Copy) -> None:
        self._ready.append(copy)
        self._pump()

    async def _try(self, copy: _Copy, session: aiohttp.ClientSession) -> int | None:
        """One POST; its HTTP status, or None when there was no answer at all."""
        copy.tries += 1
        self.counters.in_flight += 1
        try:
            status = await self._send(copy.post.body, session)
            failure = None if status == 200 else f"HTTP {status}"
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            status, failure = None, type(error).__name__
        finally:
            self.counters.in_flight -= 1
        self._note(failure)
        if copy.first_answer is not None and not copy.first_answer.done():
            copy.first_answer.set_result(status)
        return status

    async def _send(self, body: bytes, session: aiohttp.ClientSession) -> int:
        settings = self._settings
        if settings.webhook_url is None:
            raise aiohttp.ClientConnectionError("no webhook URL is set any more")
        headers = {}
        if settings.app_secret is not None:
            headers["X-Hub-Signature-256"] = signature(settings.app_secret, body)
        timeout = aiohttp.ClientTimeout(total=settings.webhook_timeout)
        async with session.post(
            settings.webhook_url, data=body, headers=headers, timeout=timeout, allow_redirects=False
        ) as response:
            await response.read()
            return response.status

    def _heard(self, post: _Post) -> None:
        post.copies_left -= 1
        if post.copies_left:
            return
        self.counters.pending -= len(post.updates)
        self.counters.delivered += len(post.updates)
        for update in post.updates:
            update.heard()

    def _note(self, failure: str | None) -> None:
        """Count a try; tell of trouble at most once in a while, or the log would drown in it."""
        if failure is None:
            self.counters.posts += 1
            return
        self.counters.failed_attempts += 1
        self.counters.last_failure = failure
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_AFTER_WARNING
            _log.warning("a webhook was not answered 200 (%s); it is tried until it is", failure)


def _post_of(updates: Sequence[Update], copies: int) -> _Post:
    body = envelope((update.waba_id, update.change) for update in updates)
    return _Post(updates=updates, body=body, copies_left=copies)


def _wait_after(tries: int) -> float:
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(tries - 1, 10))
