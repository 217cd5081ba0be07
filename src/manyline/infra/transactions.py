"""Several documents changed at once or not at all; for what is rare, since it costs milliseconds.

MongoDB gives up a transaction when others were at the same documents; then all of it runs again.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession as Session
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from manyline.base.errors import StoreUnavailableError
from manyline.infra.mongo import MAJORITY_TIMEOUT_MS, Database, store_errors
from manyline.infra.one_wait import caught_up

__all__ = ["Session", "atomically"]

ATTEMPTS = 40
LONGEST_PAUSE_SECONDS = 0.1
TRANSIENT = ("TransientTransactionError", "UnknownTransactionCommitResult")

Result = TypeVar("Result")


async def atomically(database: Database, work: Callable[[Session], Awaitable[Result]]) -> Result:
    """What `work(session)` answers, once all that it did is durable.

    It may run more than once, also after it was committed: it must read anew what it goes by, and
    do nothing twice. A duplicate key is taken for a race and tried again as well. Raises
    `StoreUnavailableError`.
    """
    # Its snapshot may be older than a write beside which others are still under way.
    await caught_up(database)
    with store_errors():
        async with database.client.start_session() as session:
            for attempt in range(ATTEMPTS):
                try:
                    async with await session.start_transaction(
                        read_concern=ReadConcern("snapshot"),
                        write_concern=WriteConcern("majority", wtimeout=MAJORITY_TIMEOUT_MS),
                    ):
                        return await work(session)
                except PyMongoError as error:
                    if not _may_be_tried_again(error):
                        raise
                longest = min(0.005 * 2**attempt, LONGEST_PAUSE_SECONDS)
                await asyncio.sleep(random.uniform(0, longest))  # noqa: S311
    raise StoreUnavailableError(
        "too many others changed the same records at the same time; nothing was promised, try again"
        " in a moment"
    )


def _may_be_tried_again(error: PyMongoError) -> bool:
    return isinstance(error, DuplicateKeyError) or any(map(error.has_error_label, TRANSIENT))
