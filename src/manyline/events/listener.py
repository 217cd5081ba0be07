"""One listener: what it has still to be told, bounded."""

import asyncio
from collections import deque

from bson import ObjectId

from manyline.events.models import Event

MOST_WAITING = 500


class Listener:
    """Waits for the events of one tenant. One that falls behind by 500 is ended, not waited for.

    It may come again with the position of the last event that it got, and misses nothing. Then it
    first catches up, chunk by chunk, and what happens meanwhile is in a later chunk: events wait
    for it only once it is live.
    """

    def __init__(
        self, tenant_id: ObjectId, *, after: str | None, most_waiting: int = MOST_WAITING
    ) -> None:
        self.tenant_id = tenant_id
        self.after = after
        """Where its reader stood before; None for one that listens from now on."""
        self.position = after or ""
        """Everything up to here was told, or is none of this tenant's business."""
        self.is_live = False
        self.ended = asyncio.Event()
        self.too_slow = False
        self._from = ""
        self._most_waiting = most_waiting
        self._waiting: deque[Event] = deque()
        self._news = asyncio.Event()

    def caught_up(self, position: str) -> None:
        """Everything up to here is told by other means; from now on events are offered."""
        self.position = position
        self._from = position
        self.is_live = True

    def offer(self, event: Event) -> None:
        """One more event to be told."""
        if not self.is_live or self.ended.is_set() or event.position <= self._from:
            return
        if len(self._waiting) >= self._most_waiting:
            self.too_slow = True
            self._waiting.clear()
            self.end()
            return
        self._waiting.append(event)
        self._news.set()

    def pass_by(self, position: str) -> None:
        """Nothing of this tenant's happened up to here, unless something still waits."""
        if self.is_live and not self._waiting and not self.ended.is_set():
            self.position = max(self.position, position)

    def end(self) -> None:
        """Take no more; what waits is still handed out."""
        self.ended.set()
        self._news.set()

    async def next(self) -> Event | None:
        """The next event; None when there will be none."""
        while not self._waiting:
            if self.ended.is_set():
                return None
            self._news.clear()
            await self._news.wait()
        event = self._waiting.popleft()
        self.position = event.position
        return event
