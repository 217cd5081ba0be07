"""The relay wakes who waits, the longest first, and nobody's pause costs somebody else a turn."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from prometheus_client import CollectorRegistry

from manyline.messages.states import MessageStatus
from manyline.observability.metrics import SendingMetrics
from manyline.sending.models import Claim
from manyline.sending.relay import OVERDUE, WAKES_PER_ROUND, Relay, RelayRules
from manyline.tenants.models import (
    InDoubtPolicy,
    Tenant,
    TenantNotFoundError,
    TenantSettings,
    TenantStatus,
)

RULES = RelayRules(resend_after=timedelta(minutes=2), expiry=timedelta(hours=24))


class Stuck:
    def __init__(self) -> None:
        self.oldest: dict[ObjectId, datetime] = {}
        self.parked: dict[ObjectId, datetime] = {}
        self.doubts: dict[ObjectId, datetime] = {}
        self.resent: list[ObjectId] = []

    async def oldest_due(
        self, status: MessageStatus, *, before: datetime
    ) -> dict[ObjectId, datetime]:
        if status is not MessageStatus.QUEUED:
            return {}
        return {tenant_id: due for tenant_id, due in self.oldest.items() if due < before}

    async def expired(self, _tenant_id: ObjectId, *, now: datetime, limit: int) -> list[Claim]:
        return []

    async def oldest_parked(self, *, before: datetime) -> dict[ObjectId, datetime]:
        return {tenant_id: until for tenant_id, until in self.parked.items() if until < before}

    async def return_parked(self, tenant_id: ObjectId, *, now: datetime) -> None:
        assert self.parked.pop(tenant_id) < now

    async def newest_doubts(self, *, before: datetime) -> dict[ObjectId, datetime]:
        return {tenant_id: since for tenant_id, since in self.doubts.items() if since < before}

    async def resend(
        self, tenant_id: ObjectId, *, doubted_before: datetime, now: datetime, expires_at: datetime
    ) -> int:
        assert doubted_before == now - RULES.resend_after
        assert expires_at == now + RULES.expiry
        self.resent.append(tenant_id)
        return 1


class Directory:
    def __init__(self) -> None:
        self.tenants: dict[ObjectId, Tenant] = {}

    async def by_id(self, tenant_id: ObjectId) -> Tenant:
        if tenant_id not in self.tenants:
            raise TenantNotFoundError("none")
        return self.tenants[tenant_id]


class Woken:
    def __init__(self) -> None:
        self.numbers: list[str] = []

    def wake_number(self, phone_number_id: str) -> None:
        self.numbers.append(phone_number_id)


class Scene:
    def __init__(self, clock: Any, make_tenant: Any) -> None:
        self._clock, self._make_tenant = clock, make_tenant
        self.stuck, self.directory, self.woken = Stuck(), Directory(), Woken()
        parts: dict[str, Any] = {
            "outbox": None,
            "stuck": self.stuck,
            "directory": self.directory,
            "wakes": self.woken,
            "settler": None,
        }
        metrics = SendingMetrics(CollectorRegistry())
        self.relay = Relay(**parts, clock=clock, metrics=metrics, rules=RULES)

    def waiting(self, numbers: Sequence[str], *, seconds: float, **changes: Any) -> None:
        for number in numbers:
            tenant = self._make_tenant(phone_number_id=number, **changes)
            self.directory.tenants[tenant.id] = tenant
            self.stuck.oldest[tenant.id] = self._clock.now() - timedelta(seconds=seconds)


async def test_who_waits_long_enough_is_woken_the_longest_first(
    clock: Any, make_tenant: Any
) -> None:
    scene = Scene(clock, make_tenant)
    overdue = OVERDUE.total_seconds()
    scene.waiting(["new"], seconds=overdue - 1)
    scene.waiting(["later"], seconds=-10)
    scene.waiting(["old"], seconds=overdue + 1)
    scene.waiting(["older"], seconds=overdue + 100)
    scene.stuck.oldest[ObjectId()] = clock.now() - timedelta(days=1)
    assert await scene.relay.round() == 2
    assert scene.woken.numbers == ["older", "old"]


async def test_paused_tenants_take_nobodys_turn(clock: Any, make_tenant: Any) -> None:
    scene = Scene(clock, make_tenant)
    paused = [f"p{n}" for n in range(WAKES_PER_ROUND)]
    scene.waiting(paused, seconds=1000, status=TenantStatus.PAUSED)
    scene.waiting(["active"], seconds=100)
    assert await scene.relay.round() == 1
    assert scene.woken.numbers == ["active"]


async def test_a_round_is_bounded(clock: Any, make_tenant: Any) -> None:
    scene = Scene(clock, make_tenant)
    scene.waiting([f"n{n}" for n in range(WAKES_PER_ROUND + 5)], seconds=100)
    assert await scene.relay.round() == WAKES_PER_ROUND


async def test_a_long_wait_that_is_over_is_woken_at_once(clock: Any, make_tenant: Any) -> None:
    scene = Scene(clock, make_tenant)
    over, waiting = make_tenant(phone_number_id="over"), make_tenant(phone_number_id="waiting")
    scene.directory.tenants = {over.id: over, waiting.id: waiting}
    scene.stuck.parked = {
        over.id: clock.now() - timedelta(seconds=1),
        waiting.id: clock.now() + timedelta(seconds=1),
    }
    assert await scene.relay.round() == 1
    assert scene.woken.numbers == ["over"]
    assert scene.stuck.parked.keys() == {waiting.id}


async def test_doubts_are_resent_after_a_wait_and_only_by_policy(
    clock: Any, make_tenant: Any
) -> None:
    scene = Scene(clock, make_tenant)
    resends = TenantSettings(in_doubt_policy=InDoubtPolicy.RESEND)
    holds = make_tenant(phone_number_id="holds")
    due, fresh, paused = (
        make_tenant(phone_number_id=number, settings=resends, status=status)
        for number, status in (
            ("due", TenantStatus.ACTIVE),
            ("fresh", TenantStatus.ACTIVE),
            ("paused", TenantStatus.PAUSED),
        )
    )
    scene.directory.tenants = {each.id: each for each in (holds, due, fresh, paused)}
    long_ago = clock.now() - RULES.resend_after - timedelta(seconds=1)
    scene.stuck.doubts = {holds.id: long_ago, due.id: long_ago, paused.id: long_ago}
    scene.stuck.doubts[fresh.id] = clock.now() - RULES.resend_after + timedelta(seconds=1)
    await scene.relay.round()
    assert scene.stuck.resent == [due.id]
    assert scene.woken.numbers == ["due"]
