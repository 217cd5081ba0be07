"""Replays over a store that can be made to fail: what was moved is woken, whatever comes after."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import bson
import pytest
from bson import ObjectId

from manyline.base.errors import StoreUnavailableError
from manyline.messages.models import MessageNotFoundError
from manyline.messages.states import MessageStatus
from manyline.messages.troubles import LONG_AGO, Troubles
from manyline.sending.replay_results import (
    WHY_NO_REPLAY,
    WHY_NOT_MARKED,
    CallUnderWayError,
    NotInDoubtError,
    NotReplayableError,
    Outcome,
)
from manyline.sending.replays import AT_ONCE, Replays
from manyline.sending.troubles import Standing
from manyline.tenants.models import Tenant, TenantNotActiveError, TenantStatus

FAILED, IN_DOUBT = MessageStatus.FAILED, MessageStatus.IN_DOUBT
DEAD_LETTERS, DOUBTS = Troubles(FAILED), Troubles(IN_DOUBT)


class Ended:
    """As much of a message as a report asks of it."""

    def __init__(self, status: MessageStatus) -> None:
        self.status = status
        self.source = "api"


class Store:
    """Holds statuses; each move is one step, as it is in the real one."""

    def __init__(self, statuses: dict[ObjectId, MessageStatus]) -> None:
        self.statuses = statuses
        self.fails_after: int | None = None
        self.moves = self.under_way = self.most_under_way = 0
        self.calls_until: dict[ObjectId, Any] = {}
        self.expires_at: Any = None

    async def oldest(self, _tenant: ObjectId, wanted: Troubles, *, limit: int) -> list[ObjectId]:
        return [one for one, status in self.statuses.items() if status is wanted.status][:limit]

    async def replay(
        self, _tenant: ObjectId, message_id: ObjectId, *, among: Any, **more: Any
    ) -> Any:
        self.expires_at = more["expires_at"]
        return await self._move(message_id, among, {FAILED, IN_DOUBT}, MessageStatus.QUEUED)

    async def mark_sent(
        self, _tenant: ObjectId, message_id: ObjectId, *, among: Any, **more: Any
    ) -> Any:
        return await self._move(message_id, among, {IN_DOUBT}, MessageStatus.SENT)

    async def standing(self, _tenant: ObjectId, message_ids: list[ObjectId]) -> dict[Any, Any]:
        return {
            one: Standing(Ended(self.statuses[one]), self.calls_until.get(one))  # type: ignore[arg-type]
            for one in message_ids
            if one in self.statuses
        }

    async def _move(self, message_id: ObjectId, among: Any, sources: Any, target: Any) -> Any:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if self.fails_after is not None and self.moves >= self.fails_after:
            raise StoreUnavailableError("away")
        status = self.statuses.get(message_id)
        allowed = sources if among is None else sources & {among.status}
        if status not in allowed or message_id in self.calls_until:
            return None
        self.moves += 1
        self.statuses[message_id] = target
        return Ended(target)


class Woken:
    def __init__(self) -> None:
        self.numbers: list[str] = []

    def wake_number(self, phone_number_id: str, *, delay_seconds: float = 0) -> None:
        self.numbers.append(phone_number_id)


class Scene:
    def __init__(self, clock: Any, *statuses: MessageStatus) -> None:
        self.ids = [ObjectId() for _ in statuses]
        self.store, self.woken = Store(dict(zip(self.ids, statuses, strict=True))), Woken()
        troubles: Any = self.store
        wakes: Any = self.woken
        self.replays = Replays(
            troubles=troubles, wakes=wakes, clock=clock, expiry=timedelta(hours=24)
        )


@pytest.fixture
def tenant(make_tenant: Callable[..., Tenant]) -> Tenant:
    return make_tenant()


async def test_a_store_that_goes_away_leaves_nothing_asleep_that_was_moved(
    clock: Any, tenant: Tenant
) -> None:
    scene = Scene(clock, *[FAILED] * 50)
    scene.store.fails_after = 20
    with pytest.raises(StoreUnavailableError):
        await scene.replays.replay_these(tenant, scene.ids, among=DEAD_LETTERS)
    assert scene.woken.numbers == [tenant.phone_number_id]
    scene.store.fails_after = None
    again = await scene.replays.replay_these(tenant, scene.ids, among=DEAD_LETTERS)
    assert again.done == 30
    outcomes = [result.outcome for result in again.results]
    assert outcomes.count(Outcome.NOT_REPLAYABLE) == 20


async def test_a_store_that_is_away_is_not_asked_for_each(clock: Any, tenant: Tenant) -> None:
    scene = Scene(clock, *[FAILED] * 1000)
    scene.store.fails_after = 0
    asked = []
    move = scene.store._move

    async def counted(*parts: Any) -> Any:
        asked.append(parts)
        return await move(*parts)

    scene.store._move = counted  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailableError):
        await scene.replays.replay_matching(tenant, DEAD_LETTERS, limit=1000)
    assert len(asked) <= AT_ONCE
    assert scene.woken.numbers == []


async def test_few_updates_are_under_way_at_once_and_one_wake_up_is_enough(
    clock: Any, tenant: Tenant
) -> None:
    scene = Scene(clock, *[FAILED] * 200)
    report = await scene.replays.replay_matching(tenant, DEAD_LETTERS, limit=150)
    assert (report.done, report.more, len(report.results)) == (150, True, 150)
    assert 1 < scene.store.most_under_way <= AT_ONCE
    assert scene.woken.numbers == [tenant.phone_number_id]
    assert scene.store.expires_at == clock.now() + timedelta(hours=24)
    rest = await scene.replays.replay_matching(tenant, DEAD_LETTERS, limit=150)
    assert (rest.done, rest.more) == (50, False)


async def test_nothing_won_wakes_nobody(clock: Any, tenant: Tenant) -> None:
    scene = Scene(clock, MessageStatus.READ)
    report = await scene.replays.replay_these(tenant, scene.ids, among=DEAD_LETTERS)
    assert report.done == 0
    marked = await scene.replays.mark_these_sent(tenant, scene.ids, among=DOUBTS)
    assert [result.outcome for result in marked.results] == [Outcome.NOT_IN_DOUBT]
    assert scene.woken.numbers == []


async def test_marking_wakes_nobody(clock: Any, tenant: Tenant) -> None:
    scene = Scene(clock, IN_DOUBT, IN_DOUBT)
    assert (await scene.replays.mark_matching_sent(tenant, DOUBTS, limit=1)).more
    assert (await scene.replays.mark_one_sent(tenant, scene.ids[1])).status == "sent"
    assert scene.woken.numbers == []


@pytest.mark.parametrize("status", [s for s in MessageStatus if s not in {FAILED, IN_DOUBT}])
async def test_one_that_cannot_be_replayed_or_marked_says_its_status(
    clock: Any, tenant: Tenant, status: MessageStatus
) -> None:
    scene = Scene(clock, status)
    with pytest.raises(NotReplayableError, match=f"it is {status}") as refused:
        await scene.replays.replay_one(tenant, scene.ids[0])
    assert refused.value.status is status
    with pytest.raises(NotInDoubtError, match=f"it is {status}") as not_marked:
        await scene.replays.mark_one_sent(tenant, scene.ids[0])
    assert not_marked.value.status is status


def test_every_status_has_its_reasons() -> None:
    assert set(WHY_NO_REPLAY) == set(MessageStatus)
    assert set(WHY_NOT_MARKED) == set(MessageStatus) - {IN_DOUBT}


async def test_a_call_under_way_says_when_it_is_over(clock: Any, tenant: Tenant) -> None:
    scene = Scene(clock, IN_DOUBT)
    [message_id] = scene.ids
    until = clock.now() + timedelta(seconds=12.5)
    scene.store.calls_until[message_id] = until
    with pytest.raises(CallUnderWayError, match="after 2026-11-20 12:00:13 UTC") as refused:
        await scene.replays.replay_one(tenant, message_id)
    assert refused.value.retry_at == until
    [result] = (await scene.replays.replay_matching(tenant, DOUBTS, limit=5)).results
    assert (result.outcome, result.retry_at) == (Outcome.CALL_UNDER_WAY, until)


async def test_an_unknown_one_is_not_found(clock: Any, tenant: Tenant) -> None:
    scene = Scene(clock)
    for deed in (scene.replays.replay_one, scene.replays.mark_one_sent):
        with pytest.raises(MessageNotFoundError):
            await deed(tenant, ObjectId())


@pytest.mark.parametrize("status", [TenantStatus.PAUSED, TenantStatus.CLOSED])
async def test_nothing_is_touched_of_a_tenant_that_sends_nothing(
    clock: Any, make_tenant: Callable[..., Tenant], status: TenantStatus
) -> None:
    scene = Scene(clock, FAILED)
    tenant = make_tenant(status=status, paused_reason="The token has expired.")
    for replay in (
        scene.replays.replay_one(tenant, scene.ids[0]),
        scene.replays.replay_these(tenant, scene.ids, among=DEAD_LETTERS),
        scene.replays.replay_matching(tenant, DEAD_LETTERS, limit=5),
    ):
        with pytest.raises(TenantNotActiveError, match=rf"{status} \(The token has expired"):
            await replay
    assert scene.store.moves == 0


def test_a_filter_always_bounds_the_time_that_its_index_is_by() -> None:
    assert Troubles(FAILED).conditions() == {"status": "failed", "troubleAt": {"$gte": LONG_AGO}}
    assert Troubles(IN_DOUBT, code=0).conditions()["error.code"] == 0


@pytest.mark.parametrize("far", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_no_time_is_too_far_for_the_driver(far: str) -> None:
    moment = datetime.fromisoformat(far)
    bson.encode(Troubles(FAILED, since=moment, until=moment).conditions())
