"""Whose 24-hour window has closed, without a query per message.

A window only ever moves forward, so one that is open need not be looked at again before it ends.
Where none is known a customer may write at any moment, and that opens one: nothing is lost by
believing it for a minute. A closed one is looked at every time.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from bson import ObjectId

from manyline.base.clock import Clock
from manyline.conversations.repository import ConversationRepository

REMEMBERED = 50_000
UNKNOWN_FOR = timedelta(minutes=1)


class Windows:
    """A bounded memory over the repository, of conversations that need not be asked about."""

    def __init__(self, *, repository: ConversationRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock
        self._not_closed_before: dict[ObjectId, datetime] = {}

    async def closed(self, conversation_ids: Iterable[ObjectId]) -> dict[ObjectId, datetime]:
        """Those whose window is known and past, and since when; at most one query.

        Raises `StoreUnavailableError`.
        """
        now = self._clock.now()
        asked = [one for one in set(conversation_ids) if not self._is_not_closed(one, now)]
        if not asked:
            return {}
        ends = await self._repository.windows(asked)
        closed = {one: end for one, end in ends.items() if end <= now}
        for one in asked:
            if one not in closed:
                self._remember(one, ends.get(one, now + UNKNOWN_FOR))
        return closed

    def _is_not_closed(self, conversation_id: ObjectId, now: datetime) -> bool:
        known = self._not_closed_before.get(conversation_id)
        return known is not None and now < known

    def _remember(self, conversation_id: ObjectId, until: datetime) -> None:
        self._not_closed_before.pop(conversation_id, None)
        self._not_closed_before[conversation_id] = until
        if len(self._not_closed_before) > REMEMBERED:
            del self._not_closed_before[next(iter(self._not_closed_before))]
