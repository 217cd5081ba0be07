"""What a person decides about dead letters and doubts: replay them, or mark them as sent.

A replay is a new attempt of the same message, with a fresh life, in its old place in its
recipient's line. Every answer says what really happened to each message, since somebody else, a
late status or a worker may have been faster.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from bson import ObjectId

from manyline.base.clock import Clock
from manyline.base.errors import StoreUnavailableError
from manyline.messages.models import Message
from manyline.messages.troubles import Troubles
from manyline.sending.replay_results import (
    Outcome,
    Report,
    Result,
    refusal,
    why_not_marked,
    why_not_replayed,
)
from manyline.sending.troubles import Standing, TroubleRepository
from manyline.sending.wakes import Wakes
from manyline.tenants.models import Tenant, TenantNotActiveError, TenantStatus

AT_ONCE = 16
"""Updates under way for one request: enough to share the store's commits, few beside others'."""
MOST_BY_FILTER = 1_000
BY_API = "api"

log = structlog.get_logger(__name__)

OneMove = Callable[[ObjectId], Awaitable[Message | None]]


class Replays:
    """Moves messages in trouble and wakes their number; a replay never doubles a call under way.

    All may raise `StoreUnavailableError`. Some messages may have moved by then; asking again is
    safe and says which.
    """

    def __init__(
        self, *, troubles: TroubleRepository, wakes: Wakes, clock: Clock, expiry: timedelta
    ) -> None:
        self._troubles = troubles
        self._wakes = wakes
        self._clock = clock
        self._expiry = expiry

    async def replay_one(self, tenant: Tenant, message_id: ObjectId) -> Message:
        """Queue a dead letter or a doubt again; answers the message as it stands then.

        Raises `TenantNotActiveError`, `MessageNotFoundError`, `NotReplayableError` and
        `CallUnderWayError`.
        """
        _require_active(tenant)
        now = self._clock.now()
        message = await self._replayer(tenant, None, now)(message_id)
        if message is None:
            raise refusal(await self._not_replayed(tenant, message_id, None, now))
        self._wake(tenant, 1)
        return message

    async def replay_these(
        self, tenant: Tenant, message_ids: Iterable[ObjectId], *, among: Troubles
    ) -> Report:
        """Queue those of these messages again that are among the dead letters (or the doubts).

        Raises `TenantNotActiveError`.
        """
        _require_active(tenant)
        return Report(await self._replay_each(tenant, list(dict.fromkeys(message_ids)), among))

    async def replay_matching(self, tenant: Tenant, wanted: Troubles, *, limit: int) -> Report:
        """Queue up to `limit` messages again, the longest in trouble first.

        Raises `TenantNotActiveError`.
        """
        _require_active(tenant)
        found = await self._troubles.oldest(tenant.id, wanted, limit=limit + 1)
        results = await self._replay_each(tenant, found[:limit], wanted)
        return Report(results, more=len(found) > limit)

    async def mark_one_sent(self, tenant: Tenant, message_id: ObjectId) -> Message:
        """Take a person's word that a message in doubt arrived; it sends nothing.

        Raises `MessageNotFoundError` and `NotInDoubtError`.
        """
        message = await self._marker(tenant, None)(message_id)
        if message is None:
            standing = await self._troubles.standing(tenant.id, [message_id])
            raise refusal(why_not_marked(message_id, standing.get(message_id)))
        return message

    async def mark_these_sent(
        self, tenant: Tenant, message_ids: Iterable[ObjectId], *, among: Troubles
    ) -> Report:
        """As `mark_one_sent`, for each of these."""
        return Report(await self._mark_each(tenant, list(dict.fromkeys(message_ids)), among))

    async def mark_matching_sent(self, tenant: Tenant, wanted: Troubles, *, limit: int) -> Report:
        """As `mark_one_sent`, for up to `limit` doubts, the oldest first."""
        found = await self._troubles.oldest(tenant.id, wanted, limit=limit + 1)
        results = await self._mark_each(tenant, found[:limit], wanted)
        return Report(results, more=len(found) > limit)

    async def _replay_each(
        self, tenant: Tenant, message_ids: Sequence[ObjectId], among: Troubles
    ) -> list[Result]:
        now = self._clock.now()
        won: dict[ObjectId, Message] = {}
        try:
            await _each(message_ids, self._replayer(tenant, among, now), won)
        finally:
            self._wake(tenant, len(won))
        lost = await self._standing(tenant, message_ids, won)
        return [
            Result(one, Outcome.QUEUED, won[one].status)
            if one in won
            else why_not_replayed(one, lost.get(one), among, now)
            for one in message_ids
        ]

    async def _mark_each(
        self, tenant: Tenant, message_ids: Sequence[ObjectId], among: Troubles
    ) -> list[Result]:
        won: dict[ObjectId, Message] = {}
        await _each(message_ids, self._marker(tenant, among), won)
        lost = await self._standing(tenant, message_ids, won)
        return [
            Result(one, Outcome.MARKED_SENT, won[one].status)
            if one in won
            else why_not_marked(one, lost.get(one))
            for one in message_ids
        ]

    def _replayer(self, tenant: Tenant, among: Troubles | None, now: datetime) -> OneMove:
        return lambda message_id: self._troubles.replay(
            tenant.id, message_id, among=among, at=now, expires_at=now + self._expiry, by=BY_API
        )

    def _marker(self, tenant: Tenant, among: Troubles | None) -> OneMove:
        return lambda message_id: self._troubles.mark_sent(
            tenant.id, message_id, among=among, at=self._clock.now(), by=BY_API
        )

    async def _not_replayed(
        self, tenant: Tenant, message_id: ObjectId, among: Troubles | None, now: datetime
    ) -> Result:
        standing = await self._troubles.standing(tenant.id, [message_id])
        return why_not_replayed(message_id, standing.get(message_id), among, now)

    async def _standing(
        self,
        tenant: Tenant,
        message_ids: Sequence[ObjectId],
        won: Mapping[ObjectId, Message],
    ) -> dict[ObjectId, Standing]:
        lost = [message_id for message_id in message_ids if message_id not in won]
        return await self._troubles.standing(tenant.id, lost) if lost else {}

    def _wake(self, tenant: Tenant, count: int) -> None:
        if count:
            log.info("messages.replayed", tenant_id=str(tenant.id), count=count)
            self._wakes.wake_number(tenant.phone_number_id)


async def _each(
    message_ids: Iterable[ObjectId], move: OneMove, won: dict[ObjectId, Message]
) -> None:
    """Make the move for each, a few at once; what is won stands in `won` also when it raises."""
    waiting = iter(message_ids)
    failures: list[StoreUnavailableError] = []

    async def take_turns() -> None:
        for message_id in waiting:
            if failures:
                return
            try:
                message = await move(message_id)
            except StoreUnavailableError as error:
                # Not by cancelling the others: what they have under way is to be known.
                failures.append(error)
                return
            if message is not None:
                won[message_id] = message

    await asyncio.gather(*(take_turns() for _ in range(AT_ONCE)))
    if failures:
        raise failures[0]


def _require_active(tenant: Tenant) -> None:
    if tenant.status is not TenantStatus.ACTIVE:
        reason = f" ({tenant.paused_reason})" if tenant.paused_reason else ""
        raise TenantNotActiveError(
            f"the tenant is {tenant.status}{reason} and sends nothing, so nothing was replayed"
        )
