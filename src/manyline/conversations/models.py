"""A conversation: all that one customer and one tenant say to each other.

Its id is the customer's, so the two never come apart.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId

# Free-form messages may be sent for 24 hours after the customer's last one (Meta's rule).
WINDOW = timedelta(hours=24)
PREVIEW_LENGTH = 120


@dataclass(frozen=True, slots=True)
class Turn:
    """Something said: what a conversation needs to know of one message."""

    tenant_id: ObjectId
    conversation_id: ObjectId
    at: datetime
    preview: str
    inbound: bool
