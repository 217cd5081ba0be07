"""Checks of Redis: it answers, keeps what it is given, and never evicts a queue's key."""

from collections.abc import AsyncIterator
from typing import Any

from redis.exceptions import AuthenticationError, RedisError

from manyline.entry.cli.doctor.findings import Finding, broken, ok, warning
from manyline.infra.redis import RedisServer, open_quick_redis

REDIS = "Redis"
EVICTION = "eviction"
AOF = "append-only file"
MEMORY = "Redis memory"
MOST_USED = 0.8


async def check_redis(server: RedisServer) -> AsyncIterator[Finding]:
    """One INFO answers all of it; CONFIG is forbidden on most managed servers."""
    client = open_quick_redis(server)
    try:
        info = await client.info()
    except AuthenticationError:
        yield broken(REDIS, "it refused our password", "set REDIS_PASSWORD to the one it has")
        return
    except (RedisError, OSError) as error:
        yield broken(
            REDIS,
            f"no answer at {server.host}:{server.port} ({type(error).__name__}); webhooks are"
            " still taken, but sends wait",
            "start it, or correct REDIS_HOST, REDIS_PORT and REDIS_PASSWORD",
        )
        return
    finally:
        await client.aclose()
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version") or info.get("redis_version")
    yield ok(REDIS, f"{name} {version} at {server.host}:{server.port}")
    for finding in read_info(info):
        yield finding


def read_info(info: dict[str, Any]) -> list[Finding]:
    """What INFO says of eviction, persistence and memory."""
    return [_eviction(info), _aof(info), _memory(info)]


def _eviction(info: dict[str, Any]) -> Finding:
    policy = info.get("maxmemory_policy", "unknown")
    if policy == "noeviction":
        return ok(EVICTION, "maxmemory-policy is noeviction")
    return broken(
        EVICTION,
        f"maxmemory-policy is {policy}: under pressure the queue's keys could be thrown away",
        "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
    )


def _aof(info: dict[str, Any]) -> Finding:
    if info.get("aof_enabled"):
        if info.get("aof_last_write_status", "ok") != "ok":
            return broken(AOF, "its last write failed", "look for a full disk under Redis' data")
        return ok(AOF, "on")
    return warning(
        AOF,
        "off: a restart empties the queue, and the relay needs a while to rebuild it (no message"
        " is lost)",
        "redis-cli CONFIG SET appendonly yes, and the same in redis.conf",
    )


def _memory(info: dict[str, Any]) -> Finding:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    megabytes = f"{used / 1e6:.0f} MB"
    if not most:
        return ok(MEMORY, f"{megabytes} used, no limit set")
    detail = f"{megabytes} of {most / 1e6:.0f} MB used"
    if used < MOST_USED * most:
        return ok(MEMORY, detail)
    return warning(MEMORY, f"{detail}; when it is full no job can be added", "raise maxmemory")
