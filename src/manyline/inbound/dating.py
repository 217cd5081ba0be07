"""Items that are read again, some time after they came."""

from dataclasses import replace
from datetime import datetime

from manyline.meta.webhook import InboundMessage, Item


def dated(item: Item, came_at: datetime) -> Item:
    """A message without a time of its own is as old as its webhook; it is not answered as new."""
    if isinstance(item, InboundMessage) and item.sent_at is None:
        return replace(item, sent_at=came_at)
    return item
