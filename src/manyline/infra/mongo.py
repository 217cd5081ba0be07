"""MongoDB: one client per process, driver errors turned into ours, the store's clock.

Knows no collection and no domain word. Writes wait for a majority and its journal (`j` left to
the server's default: with `j: false` a majority write was 60 times slower on 6.0, measured).
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, ReadPreference
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    InvalidURI,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
    WriteConcernError,
)
from pymongo.monitoring import CommandListener
from pymongo.server_description import ServerDescription
from pymongo.write_concern import WriteConcern

from manyline.base.clock import StoreClock
from manyline.base.errors import SettingsError, StoreUnavailableError
from manyline.infra.connecting import keep_trying

DEFAULT_DATABASE = "pocdb"
DUPLICATE_KEY = 11000
REFUSED_CODES = frozenset({13, 18})  # Unauthorized, AuthenticationFailed
# A store that is away is told apart in three seconds, one that hangs in ten. PyMongo's `timeoutMS`
# is left out: with it, the wait for a server is as long as for an answer.
SELECTION_TIMEOUT_MS = 3_000
ANSWER_TIMEOUT_MS = 10_000
MAJORITY_TIMEOUT_MS = 8_000
CLOCK_INTERVAL_SECONDS = 30.0

Document = dict[str, Any]
Collection = AsyncCollection[Document]
Database = AsyncDatabase[Document]


class PrimaryWatch(CommandListener, ABC):
    """Hears of every command, and is asked before each which server may take it.

    One thing, since who is told by the replies is to decide: one without the other protects nobody.
    """

    @abstractmethod
    def stay(self, servers: list[ServerDescription]) -> list[ServerDescription]:
        """Those of the servers that the next command may go to."""


@dataclass(frozen=True, slots=True)
class Mongo:
    """An open client and the database it works in."""

    client: AsyncMongoClient[Document]
    database: Database

    async def close(self) -> None:
        """Give back every connection."""
        await self.client.close()


def open_mongo(uri: str, *, app_name: str, watch: PrimaryWatch | None = None) -> Mongo:
    """Make the client (it connects on first use); raises `SettingsError` for a bad URI.

    A `watch` costs each command some 10 µs.
    """
    try:
        client: AsyncMongoClient[Document] = AsyncMongoClient(
            uri,
            tz_aware=True,
            appname=app_name,
            socketTimeoutMS=ANSWER_TIMEOUT_MS,
            serverSelectionTimeoutMS=SELECTION_TIMEOUT_MS,
            connectTimeoutMS=SELECTION_TIMEOUT_MS,
            maxPoolSize=50,
            event_listeners=[watch] if watch is not None else [],
            server_selector=watch.stay if watch is not None else None,
        )
        name = client.get_default_database(DEFAULT_DATABASE).name
    except (InvalidURI, ConfigurationError, ValueError) as error:
        # PyMongo's own words may quote a part of the password.
        raise SettingsError(
            f"MONGO_URI cannot be used ({type(error).__name__}); it looks like"
            " mongodb://user:password@host:27017/database, with any / : @ % in the password"
            " written as %2F %3A %40 %25"
        ) from None
    database = client.get_database(
        name,
        codec_options=CodecOptions(tz_aware=True, tzinfo=UTC),
        # Whatever the URI says: who claims a message must see what was written before.
        read_preference=ReadPreference.PRIMARY,
        write_concern=WriteConcern("majority", wtimeout=MAJORITY_TIMEOUT_MS),
    )
    return Mongo(client=client, database=database)


async def ping(mongo: Mongo) -> None:
    """Return when the primary answers; raises `StoreUnavailableError`."""
    with store_errors():
        await mongo.database.command("ping")


async def wait_for_mongo(mongo: Mongo, *, seconds: float, progress: Callable[[str], None]) -> None:
    """Return once a primary answers; tells `progress` of each failed try.

    Raises `StoreUnavailableError` after `seconds`.
    """

    await keep_trying(
        lambda: ping(mongo),
        what="MongoDB",
        seconds=seconds,
        progress=progress,
        failures=StoreUnavailableError,
    )


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn what means "the store did not take it" into `StoreUnavailableError`.

    Errors about the data itself (a duplicate key, a refused document) pass: a repository
    that can meet them knows what they mean.
    """
    try:
        yield
    except (
        ConnectionFailure,
        ExecutionTimeout,
        NotPrimaryError,
        WaitQueueTimeoutError,
        WriteConcernError,
    ) as error:
        raise unavailable(error) from error
    except OperationFailure as error:
        if error.code in REFUSED_CODES:
            raise SettingsError(
                "MongoDB refused us: user, password or rights in MONGO_URI do not fit"
            ) from None
        if error.timeout or error.has_error_label("RetryableWriteError"):
            raise unavailable(error) from error
        raise


def duplicate_keys(error: BulkWriteError) -> list[int]:
    """Which operations of a bulk met a unique key; any other failure is raised as the store's."""
    details = error.details or {}
    failures = details.get("writeErrors", [])
    others = [failure for failure in failures if failure["code"] != DUPLICATE_KEY]
    if others or details.get("writeConcernErrors"):
        raise unavailable(error) from error
    return [failure["index"] for failure in failures]


def unavailable(error: Exception) -> StoreUnavailableError:
    """The error to raise in place of a driver's."""
    return StoreUnavailableError(
        f"the database did not take the call ({type(error).__name__}); nothing was promised, try"
        " again in a few seconds"
    )


async def follow_store_clock(mongo: Mongo, clock: StoreClock) -> None:
    """Hold `clock` to the primary's, for as long as this runs; a store that is away is skipped."""
    while True:
        with suppress(PyMongoError):
            await read_store_clock(mongo, clock)
        await asyncio.sleep(CLOCK_INTERVAL_SECONDS)


async def read_store_clock(mongo: Mongo, clock: StoreClock) -> None:
    """One reading of `hello.localTime`."""
    asked_at = datetime.now(UTC)
    answer = await mongo.database.command("hello")
    answered_at = datetime.now(UTC)
    store_time = answer["localTime"].replace(tzinfo=UTC)
    clock.hold_to(store_time=store_time, asked_at=asked_at, answered_at=answered_at)
