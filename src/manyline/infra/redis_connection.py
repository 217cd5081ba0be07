"""One connection to a Redis server: encrypted where asked for, and left once it is a replica.

redis-py's own makes a TLS context for each connection, which reads the system's authorities anew:
33 ms of the event loop each, measured, and after a failover all connections are made at once.
"""

import ssl
from collections.abc import Mapping
from typing import Any, NoReturn

from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError


class ServerConnection(Connection):
    """A connection that ends as soon as its server refuses to write.

    A primary that was demoted may keep its clients' connections, and an address that follows the
    primary is only resolved when one connects: without this the refusals would never end.
    """

    def __init__(self, *, tls: ssl.SSLContext | None, **options: Any) -> None:
        """`tls`: None for a connection in the clear."""
        super().__init__(**options)
        self._tls = tls

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "ssl": self._tls}

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """As redis-py's, but `-READONLY` is a lost connection, also within a transaction."""
        try:
            response = await super().read_response(*args, **options)
        except ReadOnlyError:
            await self._leave_replica()
        if isinstance(response, list) and any(isinstance(one, ReadOnlyError) for one in response):
            await self._leave_replica()
        return response

    async def _leave_replica(self) -> NoReturn:
        await self.disconnect(nowait=True)
        raise RedisConnectionError(f"{self.host}:{self.port} is a replica and takes no writes")
