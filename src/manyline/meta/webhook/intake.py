"""The items of one webhook as they are found, and no more of them than a webhook can hold.

Meta sends up to 1,000 updates in a POST; a webhook of past messages holds thousands, and 3 MB
cannot hold 20,000 of them. What is beyond that is garbage, and is counted instead of read.
"""

from collections.abc import Callable

from manyline.meta.webhook.items import Item, Unreadable

MAX_ITEMS = 20_000
MAX_UNREADABLE = 1_000


class Intake:
    """Collects items in their order: `add` one, and `close` for all of them."""

    __slots__ = ("_items", "_left", "add")

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._left = 0
        # The list's own method: this is called for each item, and anything around it would show.
        self.add: Callable[[Item], None] = self._items.append

    def some_of(self, members: list[object]) -> list[object]:
        """As many members of a list as there is room for; the others are counted."""
        room = MAX_ITEMS - len(self._items)
        if len(members) <= room:
            return members
        room = max(room, 0)
        self._left += len(members) - room
        return members[:room]

    def close(self) -> list[Item]:
        """All items; the last one tells how many were left out, if any were."""
        items = self._items
        if len(items) > MAX_UNREADABLE:
            items = self._without_excess()
        if self._left:
            reason = f"{self._left} more parts than a webhook can hold were left out"
            items.append(Unreadable(None, reason, {"left": self._left}, "entry"))
        return items

    def _without_excess(self) -> list[Item]:
        kept: list[Item] = []
        room = MAX_UNREADABLE
        for item in self._items:
            if type(item) is Unreadable:
                room -= 1
                if room < 0:
                    self._left += 1
                    continue
            kept.append(item)
        return kept
