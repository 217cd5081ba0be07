"""Slots per number and per pair of number and recipient: shared through Redis, local without it.

Nothing polls: a refusal says how long until slots are free again. A slot that was granted and not
used is lost, and so is one whose answer did not arrive: never more than the rate, rather less.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from manyline.limits.local import LocalBuckets
from manyline.limits.models import SECOND, Reserved, Wanted, all_granted
from manyline.limits.scripts import RESERVE, SLOW_DOWN, Script

__all__ = ["Buckets", "Reserved", "Wanted"]

ASK_AGAIN_SECONDS = 2.0
"""A Redis that hangs costs whoever asks it a whole timeout: one asker per so many seconds."""

log = structlog.get_logger(__name__)


class Buckets:
    """Reserves slots by number, in one round trip for all numbers of a job."""

    def __init__(
        self,
        redis: Redis,
        *,
        local: LocalBuckets | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`redis`: a quick client, whose timeouts bound how long the first failure takes.

        `local`: what answers while Redis does not.
        """
        self._reserve = Script(redis, RESERVE)
        self._slow_down = Script(redis, SLOW_DOWN)
        self._encode = msgspec.msgpack.Encoder().encode
        self._local = local if local is not None else LocalBuckets()
        self._monotonic = monotonic
        # None while Redis answers.
        self._ask_again_at: float | None = None

    async def reserve(self, wanted: Mapping[str, Wanted]) -> dict[str, Reserved]:
        """A slot of the number and of the pair for each recipient, of both or of neither.

        `wanted`: by phone number id, at least one. Never raises for want of Redis: then the local
        bucket answers.
        """
        if not self._may_ask():
            return await self._local.reserve(wanted)
        question = [
            (number, ask.per_second, list(ask.recipients)) for number, ask in wanted.items()
        ]
        probing = self._ask_again_at is not None
        try:
            answer = await self._reserve.run(self._encode(question))
        except (RedisError, OSError) as error:
            self._lost(error)
            return await self._local.reserve(wanted)
        if probing:
            self._found()
        if answer == 0:
            return {number: all_granted(len(ask.recipients)) for number, ask in wanted.items()}
        return _parse(wanted, answer)

    async def slow_down(self, number: str) -> None:
        """Meta said 130429: halve the number's rate for all workers, and pause it for a second.

        Counts once a second, however many of the calls in flight are refused; down to a sixteenth.
        The rate doubles every 30 s until it is whole again.
        """
        if not self._may_ask():
            await self._local.slow_down(number)
            return
        probing = self._ask_again_at is not None
        try:
            await self._slow_down.run(number)
        except (RedisError, OSError) as error:
            self._lost(error)
            await self._local.slow_down(number)
            return
        if probing:
            self._found()

    def _may_ask(self) -> bool:
        """Whether this caller asks Redis; while it is lost, one caller at a time may."""
        if self._ask_again_at is None:
            return True
        now = self._monotonic()
        if now < self._ask_again_at:
            return False
        self._ask_again_at = now + ASK_AGAIN_SECONDS
        return True

    def _lost(self, error: Exception) -> None:
        if self._ask_again_at is None:
            self._local.start_empty()
            log.warning(
                "limits.redis_lost",
                error=type(error).__name__,
                meaning="each worker sends at a quarter of its numbers' rates until Redis answers",
                fix="see whether Redis is up, reachable, writable and has memory left",
            )
        self._ask_again_at = self._monotonic() + ASK_AGAIN_SECONDS

    def _found(self) -> None:
        if self._ask_again_at is not None:
            log.info("limits.redis_back", meaning="rates are shared by all workers again")
        self._ask_again_at = None


def _parse(wanted: Mapping[str, Wanted], answer: Sequence[int]) -> dict[str, Reserved]:
    """The script's flat answer, number by number in the order of the question."""
    reserved: dict[str, Reserved] = {}
    at = 0
    for number, ask in wanted.items():
        retry, end = answer[at], at + 1 + len(ask.recipients)
        waits = [wait / SECOND if wait >= 0 else None for wait in answer[at + 1 : end]]
        reserved[number] = Reserved(waits, retry / SECOND)
        at = end
    return reserved
