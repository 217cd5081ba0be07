"""Checks of Redis: it answers, keeps what it is given, and never evicts a queue's key."""

from collections.abc import AsyncIterator
from typing import Any

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from manyline.entry.cli.doctor.findings import Finding, broken, ok, warning
from manyline.infra.redis import RedisServer, open_quick_redis
from manyline.infra.sentinel import CERTIFICATE_REFUSED

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
        yield broken(
            REDIS,
            "it refused our user name or password",
            "set REDIS_PASSWORD, and REDIS_USERNAME for any user but `default`, to what it has",
        )
        return
    except NoPermissionError:
        yield warning(
            REDIS,
            f"answers at {server}, but this user may not ask INFO, so nothing more is known",
            "give the user +info",
        )
        return
    except (RedisError, OSError) as error:
        yield broken(
            REDIS,
            f"no answer at {server} ({_reason(error)}); webhooks are still taken, but sends wait",
            _cure(error, server),
        )
        return
    finally:
        await client.aclose()
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version") or info.get("redis_version")
    if info.get("role") == "slave":
        yield broken(
            REDIS,
            f"{name} {version} at {server} is a replica, which takes no jobs",
            "name its primary, or the Sentinels that know it: REDIS_SENTINELS",
        )
        return
    yield ok(REDIS, f"{name} {version} at {server}")
    for finding in read_info(info):
        yield finding


def _reason(error: Exception) -> str:
    """What went wrong, without what was sent: redis-py names hosts and ports and nothing else."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _cure(error: Exception, server: RedisServer) -> str:
    if CERTIFICATE_REFUSED in str(error):
        return (
            "if an authority of your own signed its certificate: REDIS_TLS_CA_FILE; if the name"
            " does not fit: name it as the certificate does"
        )
    if server.sentinels is not None:
        return (
            "start it, or correct REDIS_SENTINELS, REDIS_SENTINEL_MASTER and the Sentinels' login"
        )
    return "start it, or correct REDIS_HOST, REDIS_PORT and REDIS_TLS"


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
