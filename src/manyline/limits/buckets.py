"""Rates per number, kept in Redis so that any number of workers share them.

GCRA: one stored time per number, the theoretical arrival of its next message. A slot is free
while that time is at most the burst ahead of now; Redis' own clock counts. Nothing polls: a
refusal says how long until slots are free again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from manyline.base.errors import ManylineError

BURST_SECONDS = 0.25
# The fewest slots worth coming back for; at 80 a second this is a tenth of a second of waiting.
WORTHWHILE_SECONDS = 0.1
KEY_PREFIX = "manyline:rate:"

# KEYS[1] the bucket; ARGV: slots wanted, microseconds per slot, burst in microseconds.
# Answers slots granted, and microseconds until the next one is free.
RESERVE = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local wanted, interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local granted = math.min(wanted, math.max(0, math.floor((now + burst - arrival) / interval)))
if granted > 0 then
  arrival = arrival + granted * interval
  redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX',
             math.ceil((arrival - now) / 1000) + 1000)
end
return {granted, math.max(0, math.ceil(arrival + interval - burst - now))}
"""


class LimitsUnavailableError(ManylineError):
    """Redis did not answer, so no slot could be reserved; nothing may be sent without one."""

    code = "limits_unavailable"
    retryable = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """Slots asked for, and the number's rate per second."""

    slots: int
    per_second: int


@dataclass(frozen=True, slots=True)
class Reserved:
    """Slots granted now, and after how many seconds asking again is worth it."""

    slots: int
    retry_after: float


class NumberBuckets:
    """Reserves slots for numbers; one round trip for all numbers of a job."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._reserve = redis.register_script(RESERVE)

    async def reserve(self, wanted: Mapping[str, Wanted]) -> dict[str, Reserved]:
        """Reserve up to the wanted slots of each number; raises `LimitsUnavailableError`."""
        numbers = list(wanted)
        try:
            pipeline = self._redis.pipeline(transaction=False)
            for number in numbers:
                ask = wanted[number]
                interval = max(1, 1_000_000 // ask.per_second)
                burst = max(interval, int(BURST_SECONDS * 1_000_000))
                await self._reserve(
                    keys=[KEY_PREFIX + number], args=[ask.slots, interval, burst], client=pipeline
                )
            answers = await pipeline.execute()
        except RedisError as error:
            raise LimitsUnavailableError(
                f"Redis did not reserve a slot ({type(error).__name__})"
            ) from None
        return {
            number: Reserved(
                slots=int(granted), retry_after=max(wait / 1_000_000, WORTHWHILE_SECONDS)
            )
            for number, (granted, wait) in zip(numbers, answers, strict=True)
        }
