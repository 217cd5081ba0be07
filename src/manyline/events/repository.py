"""The store's change stream: every new message, every status and every changed tenant.

Nothing is written for it, so it costs nothing while nobody listens. The server's filter leaves out
what nobody is told, and the projection everything but ids: no text and no sealed secret travels.
`sending` is left out as well; it lasts for one call and would double what is told of a message.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from pymongo.asynchronous.change_stream import AsyncDatabaseChangeStream
from pymongo.errors import OperationFailure, PyMongoError

from manyline.base.errors import StoreUnavailableError
from manyline.events.models import Change, EventKind, EventsUnavailableError, PositionLostError
from manyline.infra.mongo import Database, Document, store_errors, unavailable
from manyline.messages.repository import COLLECTION as MESSAGES
from manyline.messages.states import MessageStatus

TENANTS = "tenants"
BATCH = 500
NO_REPLICA_SET = 40573
RESUMABLE = "ResumableChangeStreamError"
# An empty answer comes after this long, and with it the chance to notice that nobody listens.
WAIT_MS = 1_000

STATUSES = frozenset(status.value for status in MessageStatus)
STATUS_FIELD = "updateDescription.updatedFields.status"
PIPELINE: list[Mapping[str, Any]] = [
    {
        "$match": {
            "$or": [
                {"ns.coll": MESSAGES, "operationType": "insert"},
                {
                    "ns.coll": MESSAGES,
                    "operationType": "update",
                    STATUS_FIELD: {"$exists": True, "$ne": MessageStatus.SENDING.value},
                },
                {"ns.coll": TENANTS, "operationType": {"$in": ["update", "replace"]}},
            ]
        }
    },
    {
        "$project": {
            "operationType": True,
            "ns.coll": True,
            "documentKey._id": True,
            "tenantId": "$fullDocument.tenantId",
            "status": f"${STATUS_FIELD}",
        }
    },
]


class ChangeStream:
    """An open stream; `next` moves on, `position` is where it stands."""

    def __init__(self, stream: AsyncDatabaseChangeStream[Document]) -> None:
        self._stream = stream

    @property
    def position(self) -> str:
        """After the last change that `next` answered, or where the stream was opened."""
        token = self._stream.resume_token
        return str(token["_data"]) if token else ""

    async def next(self) -> Change:
        """The next change, or after a second without one a change of the position alone.

        Raises `StoreUnavailableError`; then the stream is to be closed and opened again.
        """
        with _reading_errors():
            found = await self._stream.try_next()
        if found is None:
            if not self._stream.alive:
                raise StoreUnavailableError("the change stream was closed by the server")
            return Change(position=self.position)
        return _change(found)

    async def close(self) -> None:
        """Give the cursor back; a store that is away has forgotten it."""
        with suppress(PyMongoError):
            await self._stream.close()


class ChangeRepository:
    """Opens the stream over `messages` and `tenants`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, *, after: str | None = None, wait_ms: int = WAIT_MS) -> ChangeStream:
        """From now on, or from just after a position; `next` waits `wait_ms` for a change.

        Raises `PositionLostError`, `EventsUnavailableError` and `StoreUnavailableError`.
        """
        # all tenants: one stream serves every listener of a process.
        token = {"_data": after} if after else None
        with _opening_errors(resuming=after is not None):
            return ChangeStream(
                await self._database.watch(
                    PIPELINE, resume_after=token, batch_size=BATCH, max_await_time_ms=wait_ms
                )
            )


@contextmanager
def _opening_errors(*, resuming: bool) -> Iterator[None]:
    """What keeps a stream from being opened: most often a position that is too old."""
    try:
        with store_errors():
            yield
    except OperationFailure as error:
        if error.code == NO_REPLICA_SET:
            raise EventsUnavailableError(
                "events need MongoDB to be a replica set, and this one is not; start it with"
                " --replSet and run rs.initiate() once"
            ) from None
        if not resuming or error.has_error_label(RESUMABLE):
            raise unavailable(error) from error
        raise PositionLostError(
            "what happened since then is no longer known; read the lists anew"
        ) from None


@contextmanager
def _reading_errors() -> Iterator[None]:
    """What breaks an open stream: whether its position is lost shows when it is opened again."""
    try:
        with store_errors():
            yield
    except (OperationFailure, StopAsyncIteration) as error:
        raise unavailable(error) from error


def _change(found: Mapping[str, Any]) -> Change:
    position = str(found["_id"]["_data"])
    subject = found["documentKey"]["_id"]
    if found["ns"]["coll"] == TENANTS:
        return Change(position, EventKind.TENANT, subject, tenant_id=subject)
    if found["operationType"] == "insert":
        return Change(position, EventKind.MESSAGE, subject, tenant_id=found["tenantId"])
    if found["status"] not in STATUSES:
        # Of a later release, which runs beside this one while it is rolled out.
        return Change(position)
    return Change(position, EventKind.STATUS, subject, status=MessageStatus(found["status"]))
