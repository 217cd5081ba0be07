"""The relay wakes who waits, the longest first, and nobody's pause costs somebody else a turn."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from prometheus_client import CollectorRegistry

from manyline.messages.states import MessageStatus
from manyline.observability.metrics import SendingMetrics
from manyline.sending.models import Claim
from manyline.sending.relay import OVERDUE, WAKES_PER_ROUND, Relay
from manyline.tenants.models import Tenant, TenantNotFoundError, TenantStatus


class Outbox:
    def __init__(self) -> None:
        self.oldest: dict[ObjectId, datetime] = {}

    async def oldest_due(
        self, status: MessageStatus, *, before: datetime
    ) -> dict[ObjectId, datetime]:
        if status is not MessageStatus.QUEUED:
            return {}
        return {tenant_id: due for tenant_id, due in self.oldest.items() if due < before}

    async def expired(self, _tenant_id: ObjectId, *, now: datetime, limit: int) -> list[Claim]:
        return []


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
        self.outbox, self.directory, self.woken = Outbox(), Directory(), Woken()
        parts: dict[str, Any] = {
            "outbox": self.outbox,
            "directory": self.directory,
            "wakes": self.woken,
            "settler": None,
        }
        metrics = SendingMetrics(CollectorRegistry())
        self.relay = Relay(**parts, clock=clock, metrics=metrics)

    def waiting(self, numbers: Sequence[str], *, seconds: float, **changes: Any) -> None:
        for number in numbers:
            tenant = self._make_tenant(phone_number_id=number, **changes)
            self.directory.tenants[tenant.id] = tenant
            self.outbox.oldest[tenant.id] = self._clock.now() - timedelta(seconds=seconds)


async def test_who_waits_long_enough_is_woken_the_longest_first(
    clock: Any, make_tenant: Any
) -> None:
    scene = Scene(clock, make_tenant)
    overdue = OVERDUE.total_seconds()
    scene.waiting(["new"], seconds=overdue - 1)
    scene.waiting(["later"], seconds=-10)
    scene.waiting(["old"], seconds=overdue + 1)
    scene.waiting(["older"], seconds=overdue + 100)
    scene.outbox.oldest[ObjectId()] = clock.now() - timedelta(days=1)
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
