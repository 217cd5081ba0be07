"""One wait for the majority, for all that a flush writes.

A write that waits for a majority waits for the journal, and is handed through three threads of
mongod: more than the write itself takes. A flush makes half a dozen of them. Inside `OneWait.flush`
they are acknowledged by the primary alone, and at its end one more, which changes nothing, waits
for the majority. Members take over a primary's writes in their order, so who has the last has all
before it; that is how MongoDB itself waits for a write.

This holds within one term of one primary. Of a primary that was replaced in the middle, the first
writes may be lost although a majority has the last. So each reply is looked at: it tells the term
of what the primary wrote last (`opTime.t`). Unless all are of the term that was the latest when the
flush began, nothing is promised. And before the driver sends a command it is asked where to
(`Terms.stay`): a flush goes to no later primary than it began with, since what it wrote there could
speak of people who were lost with the earlier one.

A flush that begins before any reply told a term, or whose replies tell none (mongos, and whatever
else speaks MongoDB's protocol), waits with every write.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandStartedEvent,
    CommandSucceededEvent,
)
from pymongo.server_description import ServerDescription
from pymongo.server_type import SERVER_TYPE
from pymongo.write_concern import WriteConcern

from manyline.base.errors import StoreUnavailableError
from manyline.infra.mongo import Collection, Database, PrimaryWatch, store_errors

PRIMARY_ALONE = WriteConcern(1)
NOBODY = {"_id": "nobody"}
CHANGED = (
    "the database changed its primary in the middle of this; nothing was promised, try again in a"
    " few seconds"
)


@dataclass(slots=True)
class _Flush:
    term: int
    open: bool = True
    wrote: bool = False
    strayed: bool = False


# Of the task that flushes, and of those that it starts: they inherit it.
_flush: ContextVar[_Flush | None] = ContextVar("flush", default=None)


class Terms(PrimaryWatch):
    """Hears from the replies to writes in which term the primary is."""

    def __init__(self) -> None:
        self.latest: int | None = None

    def started(self, event: CommandStartedEvent) -> None:
        """Nothing is known yet."""

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Note the term, for all and for the flush that this write belongs to."""
        term = event.reply.get("opTime", {}).get("t", -1)
        if term < 0:
            return
        self.latest = term if self.latest is None else max(term, self.latest)
        flush = _open_flush()
        if flush is not None:
            flush.strayed = flush.strayed or term != flush.term

    def failed(self, event: CommandFailedEvent) -> None:
        """Whoever asked is told by the driver."""

    def stay(self, servers: list[ServerDescription]) -> list[ServerDescription]:
        """A flush goes to no later primary than it began with.

        What it would store there may speak of people whom the earlier one took along with it.
        Raises `StoreUnavailableError`. A primary's `electionId` ends in its term, eight bytes.
        """
        for server in servers:
            if server.server_type != SERVER_TYPE.RSPrimary or server.election_id is None:
                continue
            term = int.from_bytes(server.election_id.binary[4:])
            if self.latest is not None:
                self.latest = max(term, self.latest)
            flush = _open_flush()
            if flush is not None and term > flush.term:
                raise StoreUnavailableError(CHANGED)
        return servers


class OneWait:
    """Opens flushes; see above."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database = database
        self._terms = terms

    @asynccontextmanager
    async def flush(self) -> AsyncIterator[None]:
        """What is written inside, with `writing`, is durable when this ends without an error.

        Raises `StoreUnavailableError`: nothing was promised, and all may be repeated.
        """
        if self._terms.latest is None:
            yield
            return
        # A primary that the driver has heard of since the last write costs nobody a 503.
        known = self._database.client.topology_description.server_descriptions()
        self._terms.stay(list(known.values()))
        flush = _Flush(self._terms.latest)
        token = _flush.set(flush)
        try:
            yield
            await caught_up(self._database)
        finally:
            # A task that was started inside may outlive it, and then waits for itself.
            flush.open = False
            _flush.reset(token)


def writing(collection: Collection) -> Collection:
    """The collection to write to: in a flush one that does not wait for the majority."""
    flush = _open_flush()
    if flush is None:
        return collection
    flush.wrote = True  # Whatever the reply tells, and whether there is one.
    return collection.with_options(write_concern=PRIMARY_ALONE)


def term_of_flush() -> int | None:
    """The term that the flush under way stands and falls with; None where each write waits."""
    flush = _open_flush()
    return flush.term if flush is not None else None


async def caught_up(database: Database) -> None:
    """Wait until all that this flush has written so far is durable; outside of one all is.

    Raises `StoreUnavailableError`.
    """
    flush = _open_flush()
    if flush is None:
        return
    if flush.wrote:
        with store_errors():
            await database["leases"].update_one(NOBODY, {"$set": {"waited": True}})
    if flush.strayed:
        raise StoreUnavailableError(CHANGED)


def _open_flush() -> _Flush | None:
    flush = _flush.get()
    return flush if flush is not None and flush.open else None
