"""Whose turn it is to drain a number: one drain at a time, over all workers.

Two that drain the same number at once read the same messages and reserve slots for each of them,
and what the other claims first is lost to both rates. A turn ends by itself, so a worker that dies
with it costs a second; a Redis that does not answer costs some slots.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

KEY_PREFIX = "manyline:turn:"
TERM_SECONDS = 1.0


class Turns:
    """Takes turns at numbers through Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @asynccontextmanager
    async def at(self, number: str) -> AsyncIterator[bool]:
        """Whether the turn is ours for the length of the block; somebody else has it if not."""
        key = KEY_PREFIX + number
        asked_at = time.monotonic()
        ours = await self._taken(key)
        try:
            yield ours
        finally:
            # One that has outlived its term may be somebody else's by now.
            if ours and time.monotonic() < asked_at + TERM_SECONDS:
                await self._given_back(key)

    async def _taken(self, key: str) -> bool:
        try:
            return bool(await self._redis.set(key, "1", nx=True, px=round(TERM_SECONDS * 1000)))
        except (RedisError, OSError):
            return True

    async def _given_back(self, key: str) -> None:
        with suppress(RedisError, OSError):  # Then it ends by itself.
            await self._redis.delete(key)
