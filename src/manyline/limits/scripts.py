"""The shared buckets: Lua that runs inside Redis, by Redis' own clock.

One call serves all numbers of a job, its question packed into one argument: redis-py takes 0.6 µs
for every argument. So the keys are not declared and lie on any slot: the scripts need one shard
(a single server, Sentinel, a managed primary with replicas), as BullMQ's queue does without a hash
tag. On Redis Cluster this would be one call per number, with the number as the keys' hash tag.

Keys, which all expire by themselves when they say nothing any more:
- `manyline:rate`: since when numbers have been counted. Missing after a FLUSH.
- `manyline:rate:<number>`: its arrival; or `<arrival> <halvings> <since>` while it is slowed down.
- `manyline:pair:<number>:<recipient>`: the pair's arrival.

Needs Redis 6.2 (`SET … GET`) or any Valkey.
"""

import hashlib
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from manyline.limits.models import (
    BEAT,
    HALVING_LASTS,
    MOST_HALVINGS,
    NUMBER_BURST,
    PAIR_BURST,
    PAIR_INTERVAL,
    PAUSE,
)

RATE_KEY = "manyline:rate"
PAIR_KEY = "manyline:pair:"

_FIGURES = f"""
local NUMBER_BURST, PAUSE = {NUMBER_BURST}, {PAUSE}
local BEAT, HALVING_LASTS, MOST_HALVINGS = {BEAT}, {HALVING_LASTS}, {MOST_HALVINGS}
local PAIR_INTERVAL, PAIR_BURST = {PAIR_INTERVAL}, {PAIR_INTERVAL * PAIR_BURST}
local RATE_KEY, PAIR_KEY = '{RATE_KEY}', '{PAIR_KEY}'
"""

_NUMBER = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Lua itself would write times as 1.7e+15 and lose digits; lifetimes are small and come out right.
local function whole(number) return string.format('%.0f', number) end

-- A number's arrival (nil: none), the halvings that still hold, and since when.
local function read(key)
  local value = redis.call('GET', key)
  local arrival = tonumber(value)
  if arrival or not value then return arrival, 0, 0 end
  local parts = string.gmatch(value, '%d+')
  arrival = tonumber(parts())
  local halvings, since = tonumber(parts()), tonumber(parts())
  halvings = halvings - math.floor((now - since) / HALVING_LASTS)
  -- A clock that went back must not hold a number until it has caught up.
  if halvings <= 0 or since > now then return arrival, 0, 0 end
  return arrival, halvings, since
end

local function write(key, arrival, halvings, since)
  local value, keep = whole(arrival), arrival - now
  if halvings > 0 then
    -- Those that are over were taken off: put down so that the rest end when they should.
    local past = math.floor((now - since) / HALVING_LASTS)
    value = value .. ' ' .. whole(halvings + past) .. ' ' .. whole(since)
    keep = math.max(keep, since + (halvings + past) * HALVING_LASTS - now)
  end
  redis.call('SET', key, value, 'PX', math.ceil(keep / 1000) + 1000)
end
"""

RESERVE = (
    _FIGURES
    + _NUMBER
    + """
-- ARGV[1]: MessagePack of {{number, slots per second, {recipient, ...}}, ...}
-- Answers 0 when every slot was granted; else for each number the microseconds until asking again
-- is worth it (0: none was refused for it), then per recipient 0, the pair's microseconds, or -1.
local answer, refused = {}, false

-- After a FLUSH nobody knows what was sent in the last moments: no number starts with a burst.
local counted_since = tonumber(redis.call('GET', RATE_KEY))
if not counted_since or counted_since > now then
  counted_since = now
  redis.call('SET', RATE_KEY, whole(now), 'PX', '86400000')
end

-- An idle pair, which most are, costs one command: it is taken and read at once.
local idle = whole(now + PAIR_INTERVAL)
local function take_pair(key)
  local value = redis.call('SET', key, idle, 'PX', '6000', 'GET')
  if not value then return 0 end
  local arrival = math.max(now, math.min(tonumber(value), now + PAIR_BURST))
  local wait = math.max(0, arrival + PAIR_INTERVAL - PAIR_BURST - now)
  if wait == 0 then arrival = arrival + PAIR_INTERVAL end
  redis.call('SET', key, whole(arrival), 'PX', math.ceil((arrival - now) / 1000) + 1)
  return wait
end

-- See `beat_after`.
local function beat_after(number, wait)
  if wait >= BEAT / 2 then return wait end
  local phase = (tonumber(string.sub(number, -2)) or 0) * BEAT / 100
  return math.ceil((now + BEAT / 2 - phase) / BEAT) * BEAT + phase - now
end

for _, ask in ipairs(cmsgpack.unpack(ARGV[1])) do
  local number, per_second, recipients = ask[1], ask[2], ask[3]
  local key, pair = RATE_KEY .. ':' .. number, PAIR_KEY .. number .. ':'
  local before, halvings, since = read(key)
  local interval = math.ceil(1000000 / per_second) * 2 ^ halvings
  local burst = math.max(interval, NUMBER_BURST)
  -- The burst builds up from here.
  local opened = math.max(counted_since, since + PAUSE)
  local arrival = math.max(now, math.min(before or now, now + burst), opened + burst - interval)
  -- Further ahead than the burst: the clock went back, or the burst has shrunk. Put down, or it
  -- would hold the number until the clock has caught up.
  local changed, retry = before and before > now + burst, #answer + 1
  answer[retry] = 0
  for i, recipient in ipairs(recipients) do
    local wait = -1
    if arrival + interval <= now + burst then
      wait = take_pair(pair .. recipient)
      if wait == 0 then
        arrival = arrival + interval
        changed = true
      end
    end
    answer[retry + i] = wait
    if wait ~= 0 then refused = true end
    if wait < 0 and answer[retry] == 0 then
      answer[retry] = beat_after(number, arrival + interval - burst - now)
    end
  end
  if changed then write(key, arrival, halvings, since) end
end
if refused then return answer end
return 0
"""
)

SLOW_DOWN = (
    _FIGURES
    + _NUMBER
    + """
-- ARGV[1]: the number. Answers 1 when its rate was halved, 0 when it was a moment ago.
local key = RATE_KEY .. ':' .. ARGV[1]
local arrival, halvings, since = read(key)
if halvings > 0 and now - since < PAUSE then return 0 end
write(key, arrival or now, math.min(halvings + 1, MOST_HALVINGS), now)
return 1
"""
)


class Script:
    """Runs a script by its digest, and sends its text when the server does not have it.

    A restarted or promoted server has forgotten it; FLUSHALL does not touch it.
    """

    def __init__(self, redis: Redis, text: str) -> None:
        self._redis = redis
        self._text = text
        self._digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, *args: bytes | str) -> Any:
        """The script's answer; raises `redis.exceptions.RedisError`."""
        try:
            return await self._redis.evalsha(self._digest, 0, *args)
        except NoScriptError:
            return await self._redis.eval(self._text, 0, *args)
