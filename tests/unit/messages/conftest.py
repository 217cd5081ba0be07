"""Messages as the store would hand them out, without a store."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from manyline.messages.models import Message
from manyline.messages.states import Direction, MessageStatus


@pytest.fixture
def at(clock: Any) -> Callable[[float], Any]:
    """So many seconds after the clock's start."""
    start = clock.now()
    return lambda seconds: start + timedelta(seconds=seconds)


@pytest.fixture
def make_message(at: Any) -> Callable[..., Message]:
    def make(**changes: Any) -> Message:
        values: dict[str, Any] = {
            "id": ObjectId(),
            "tenant_id": ObjectId(),
            "conversation_id": ObjectId(),
            "direction": Direction.OUT,
            "status": MessageStatus.QUEUED,
            "type": "text",
            "body": "hello",
            "content": {},
            "source": "api",
            "status_at": {"queued": at(0)},
            "created_at": at(0),
            **changes,
        }
        return Message(**values)

    return make
