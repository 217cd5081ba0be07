"""Redis: where the server is, and the two kinds of client that we open to it.

Knows no key and no domain word. redis-py's own defaults fit neither kind: its five seconds of
`socket_timeout` cut off a blocking read of the same length, and its retries keep a caller who only
wants a yes or no waiting. Both speak RESP2: under RESP3 redis-py also listens for maintenance
notices, and then no longer notices stale data on a pooled connection. Replies are `str`, and
hiredis parses them (a third more commands per second than without, measured).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import RedisError

from manyline.base.errors import SettingsError
from manyline.infra.connecting import keep_trying
from manyline.settings import Settings

QUICK_SECONDS = 1.0
"""How long a quick client waits for a connection, and for an answer."""

LONGEST_BLOCK_SECONDS = 10.0
"""The longest blocking read that anyone may ask of a patient client."""

PATIENT_SECONDS = 2 * LONGEST_BLOCK_SECONDS
"""A read must outlast the block asked of the server, or it fails just before the answer."""

CONNECT_SECONDS = 2.0
PATIENT_RETRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    """The address of one Redis or Valkey; its password never shows in a `repr`."""

    host: str
    port: int = 6379
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """`REDIS_HOST`, `REDIS_PORT`, `REDIS_PASSWORD`; `SettingsError` when there is no host."""
        if settings.redis_host is None:
            raise SettingsError(
                "REDIS_HOST is not set, so there is no Redis to work with; set it, or use"
                " `manyline up`, which starts a private one"
            )
        password = settings.redis_password
        return cls(
            host=settings.redis_host,
            port=settings.redis_port,
            password=None if password is None else password.get_secret_value(),
        )


def open_quick_redis(server: RedisServer) -> Redis:
    """A client for work that may not wait: it tries once and gives up after about a second.

    It connects on first use. Each call raises `redis.exceptions.RedisError` (or `OSError`).
    """
    return Redis(
        host=server.host,
        port=server.port,
        password=server.password,
        protocol=2,
        decode_responses=True,
        socket_connect_timeout=QUICK_SECONDS,
        socket_timeout=QUICK_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def open_patient_redis(server: RedisServer) -> Redis:
    """A client for blocking reads of up to `LONGEST_BLOCK_SECONDS` and for work worth repeating.

    Connections are pooled, so a blocked read holds up nothing else. A call that meets a broken
    connection is repeated five times over 2.5 s, which is enough for a server that restarts.
    """
    return Redis(
        host=server.host,
        port=server.port,
        password=server.password,
        protocol=2,
        decode_responses=True,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=PATIENT_SECONDS,
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.1), PATIENT_RETRIES),
    )


async def wait_for_redis(
    server: RedisServer, *, seconds: float, progress: Callable[[str], None]
) -> None:
    """Return once the server answers; tells `progress` of each failed try.

    Raises `StoreUnavailableError` after `seconds`.
    """
    client = open_quick_redis(server)

    async def ping() -> None:
        await client.ping()

    try:
        await keep_trying(
            ping, what="Redis", seconds=seconds, progress=progress, failures=RedisError
        )
    finally:
        await client.aclose()
