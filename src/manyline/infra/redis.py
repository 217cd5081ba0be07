"""Redis: where the server is, and the two kinds of client that everybody gets to it.

Knows no key and no domain word. redis-py's own defaults fit neither kind: its five seconds of
`socket_timeout` cut off a blocking read of the same length, and its retries keep a caller who only
wants a yes or no waiting. Both speak RESP2: under RESP3 redis-py also listens for maintenance
notices, and then no longer notices stale data on a pooled connection. Replies are `str`, and
hiredis parses them (a third more commands per second than without, measured).
"""

import ssl
from dataclasses import dataclass, field
from typing import Any, Self

from redis.asyncio import Redis
from redis.asyncio.connection import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff

from manyline.base.errors import SettingsError
from manyline.base.tls import client_context
from manyline.infra.redis_connection import ServerConnection
from manyline.infra.sentinel import PrimaryConnection, PrimarySearch, Sentinels
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
    """Where one Redis or Valkey is, and what it asks for; a password never shows in a `repr`."""

    host: str = ""
    """Empty when Sentinels say where it is."""
    port: int = 6379
    sentinels: Sentinels | None = None
    username: str | None = None
    """None: the user `default`."""
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """None: in the clear."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """All that begins with `REDIS_`; `SettingsError` when no Redis is named."""
        if not settings.names_redis:
            raise SettingsError(
                "REDIS_HOST is not set, nor is REDIS_SENTINELS, so there is no Redis to work with;"
                " set one, or use `manyline up`, which starts a private one"
            )
        tls = _tls(settings)
        password = settings.redis_password
        return cls(
            host=settings.redis_host or "",
            port=settings.redis_port,
            sentinels=_sentinels(settings, tls),
            username=settings.redis_username,
            password=None if password is None else password.get_secret_value(),
            tls=tls,
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.sentinels is None else str(self.sentinels)


def open_quick_redis(server: RedisServer) -> Redis:
    """A client for work that may not wait: it tries once and gives up after about a second.

    It connects on first use. Each call raises `redis.exceptions.RedisError` (or `OSError`).
    """
    return _open(
        server,
        connect_seconds=QUICK_SECONDS,
        answer_seconds=QUICK_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def open_patient_redis(server: RedisServer) -> Redis:
    """A client for blocking reads of up to `LONGEST_BLOCK_SECONDS` and for work worth repeating.

    Connections are pooled, so a blocked read holds up nothing else. A call that meets a broken
    connection is repeated five times over 2.5 s, which is enough for a server that restarts.
    """
    return _open(
        server,
        connect_seconds=CONNECT_SECONDS,
        answer_seconds=PATIENT_SECONDS,
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.1), PATIENT_RETRIES),
    )


def _open(
    server: RedisServer, *, connect_seconds: float, answer_seconds: float, retry: Retry
) -> Redis:
    """Where every client comes from; it owns its pool, and closes it when it is closed."""
    where: dict[str, Any] = {"host": server.host, "port": server.port}
    if server.sentinels is not None:
        where = {"search": PrimarySearch(server.sentinels)}
    pool = ConnectionPool(
        connection_class=ServerConnection if server.sentinels is None else PrimaryConnection,
        **where,
        username=server.username,
        password=server.password,
        tls=server.tls,
        protocol=2,
        decode_responses=True,
        socket_connect_timeout=connect_seconds,
        socket_timeout=answer_seconds,
        retry=retry,
    )
    return Redis.from_pool(pool)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.redis_tls:
        return None
    try:
        return client_context(settings.redis_tls_ca_file)
    except ValueError as error:
        raise SettingsError(f"REDIS_TLS_CA_FILE {error}") from None


def _sentinels(settings: Settings, tls: ssl.SSLContext | None) -> Sentinels | None:
    if not settings.redis_sentinels:
        return None
    password = settings.redis_sentinel_password
    return Sentinels(
        addresses=settings.redis_sentinels,
        primary=settings.redis_sentinel_master or "",
        username=settings.redis_sentinel_username,
        password=None if password is None else password.get_secret_value(),
        tls=tls,
    )
