"""What Graph's answers tell of people besides: under what else somebody who is written to is known.

Kept off the way out: a note is taken in memory and written down beside it, and a lost one is told
again by the next answer.
"""

import asyncio

import structlog
from bson import ObjectId

from manyline.base.errors import StoreUnavailableError
from manyline.customers.models import Sighting, identities_of
from manyline.customers.service import CustomerService

MOST_WAITING = 1_000
AT_ONCE = 100

log = structlog.get_logger(__name__)


class AliasNotes:
    """Takes notes at once and writes them down when it can."""

    def __init__(self, customers: CustomerService) -> None:
        self._customers = customers
        self._waiting: dict[tuple[ObjectId, str], Sighting] = {}
        self._writing: asyncio.Task[None] | None = None

    def note(
        self,
        tenant_id: ObjectId,
        *,
        sent_to: str,
        wa_id: str | None = None,
        user_id: str | None = None,
    ) -> None:
        """`sent_to`, as it stood in the request, reached the one whom the answer names.

        Numbers are E.164 with `+`. Never raises and never waits.
        """
        asked = {"phone": sent_to} if sent_to.startswith("+") else {"user_id": sent_to}
        [identity] = identities_of(phone=asked.get("phone"), user_id=asked.get("user_id"))
        also = tuple(one for one in identities_of(phone=wa_id, user_id=user_id) if one != identity)
        if not also or len(self._waiting) >= MOST_WAITING:
            return
        self._waiting[tenant_id, identity] = Sighting(
            tenant_id=tenant_id, identity=identity, also=also
        )
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def drained(self) -> None:
        """Wait until nothing waits to be written down."""
        while self._writing is not None:
            await asyncio.wait([self._writing])

    async def _write(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[:AT_ONCE]
                await self._customers.resolve([self._waiting.pop(key) for key in keys])
        except StoreUnavailableError:
            log.warning("aliases.not_noted", count=len(self._waiting))
            self._waiting.clear()
        finally:
            self._writing = None
