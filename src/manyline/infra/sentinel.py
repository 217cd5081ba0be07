"""Redis Sentinel: which server is the primary now, and connections that always go there.

redis-py's own asks one Sentinel after the other and believes the first. When the one that is listed
first vanished together with the primary, each connection would wait for it; and one that was just
restarted still names the primary from before the failover.
"""

import asyncio
import ssl
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from manyline.infra.redis_connection import ServerConnection

log = structlog.get_logger(__name__)

Address = tuple[str, int]

CERTIFICATE_REFUSED = "CERTIFICATE_VERIFY_FAILED"
"""OpenSSL's words, which redis-py passes on within a ConnectionError."""

ANSWER_SECONDS = 0.5
"""For a Sentinel to be reached and to answer; one that is away costs this only without a majority.
Half of what a quick client has for connecting, so that enough is left for the server itself."""


DOUBT_SECONDS = 3.0
"""How long an answer may be late before the Sentinels are asked, and then again. Longer than the
worker's idle wait for a job, so that it asks them nothing while all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentinels:
    """Who to ask; the password never shows in a `repr`."""

    addresses: tuple[Address, ...]
    primary: str
    """The name by which they know it."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def __str__(self) -> str:
        asked = ", ".join(f"{host}:{port}" for host, port in self.addresses)
        return f"the primary {self.primary} of the Sentinels {asked}"


class PrimarySearch:
    """Asks all Sentinels at once."""

    def __init__(self, sentinels: Sentinels) -> None:
        self._sentinels = sentinels
        self.latest: Address | None = None
        """What they said last."""

    async def ask(self) -> Address:
        """Where more than half of them say that it is; failing that, where most who answered do.

        Takes half a second at the most. Raises `MasterNotFoundError`, a `RedisError`.
        """
        asked = [asyncio.create_task(self._ask(one)) for one in self._sentinels.addresses]
        named: Counter[Address] = Counter()
        silent: Counter[str] = Counter()
        try:
            for answered in asyncio.as_completed(asked):
                answer = await answered
                if isinstance(answer, str):
                    silent[answer] += 1
                    continue
                named[answer] += 1
                if 2 * named[answer] > len(asked):
                    break
        finally:
            for one in asked:
                one.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        return self._believe(named, silent)

    def _believe(self, named: Counter[Address], silent: Counter[str]) -> Address:
        if not named:
            reasons = ", ".join(f"{reason}: {times}" for reason, times in silent.items())
            raise MasterNotFoundError(f"no Sentinel names {self._sentinels.primary} ({reasons})")
        found = named.most_common(1)[0][0]
        if self.latest not in {None, found}:
            log.info("redis_primary_moved", host=found[0], port=found[1])
        self.latest = found
        return found

    async def _ask(self, address: Address) -> Address | str:
        """What one says, or in a few words why it says nothing."""
        sentinels = self._sentinels
        connection = ServerConnection(
            host=address[0],
            port=address[1],
            username=sentinels.username,
            password=sentinels.password,
            tls=sentinels.tls,
            protocol=2,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_command(
                    "SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinels.primary
                )
                answer = await connection.read_response()
        except (RedisError, OSError, TimeoutError) as error:
            refused = CERTIFICATE_REFUSED in str(error)
            return CERTIFICATE_REFUSED if refused else type(error).__name__
        finally:
            await connection.disconnect(nowait=True)
        return (answer[0], int(answer[1])) if answer else "name not known"


class PrimaryConnection(ServerConnection):
    """To whichever server is the primary when it connects, and not used once that has changed.

    A server that vanished without a word leaves connections that look alive. Whoever takes an idle
    one would lose a whole timeout, and whoever waits for an answer waits for nothing.
    """

    def __init__(self, *, search: PrimarySearch, **options: Any) -> None:
        """`search`: one for all connections of a pool, so that one warns the others."""
        super().__init__(**options)
        self._search = search
        self._doubting: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Also called each time that the pool hands it out."""
        if self.is_connected and not self._leads_to(self._search.latest):
            await self.disconnect(nowait=True)
        await super().connect()  # type: ignore[no-untyped-call]

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """An answer that does not come for seconds is not waited for once the primary has moved."""
        doubt = asyncio.get_running_loop().call_later(DOUBT_SECONDS, self._doubt)
        try:
            return await super().read_response(*args, **options)
        finally:
            doubt.cancel()
            if self._doubting is not None:
                self._doubting.cancel()
                self._doubting = None

    def _doubt(self) -> None:
        self._doubting = asyncio.create_task(self._leave_when_moved(), name="redis-doubt")

    async def _leave_when_moved(self) -> None:
        """Closing it ends the read, as if the server had closed it."""
        while True:
            with suppress(MasterNotFoundError):
                if not self._leads_to(await self._search.ask()):
                    break
            await asyncio.sleep(DOUBT_SECONDS)
        await self.disconnect(nowait=True)

    def _leads_to(self, address: Address | None) -> bool:
        return address == (self.host, self.port)

    async def _connect(self) -> None:
        async with asyncio.timeout(self.socket_connect_timeout):
            self.host, self.port = await self._search.ask()
            await super()._connect()  # type: ignore[no-untyped-call]
