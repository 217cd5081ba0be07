"""What several unit tests share: a clock to move, and records that are quick to make."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, settings

from manyline.messages.models import Pending
from manyline.messages.states import MessageStatus
from manyline.tenants.models import Tenant, TenantSettings, TenantStatus
from manyline.vault.envelope import SealedSecret
from manyline.vault.keyring import WrappedKey

# Two shared cores: a slow moment is no failure, and the same examples every time.
settings.register_profile(
    "quiet",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("quiet")


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, **by: float) -> None:
        self._now += timedelta(**by)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make_tenant(clock: ManualClock) -> Callable[..., Tenant]:
    def make(**changes: Any) -> Tenant:
        tenant = Tenant(
            id=ObjectId(),
            name="Tenant A",
            phone_number_id="111111111111111",
            status=TenantStatus.ACTIVE,
            settings=TenantSettings(),
            data_key=WrappedKey("local-1", b"wrapped-data-key"),
            access_token=SealedSecret(1, b"sealed-token"),
            created_at=clock.now(),
            updated_at=clock.now(),
            version=1,
        )
        return replace(tenant, **changes)

    return make


@pytest.fixture
def make_pending(clock: ManualClock) -> Callable[..., Pending]:
    def make(tenant: Tenant, **changes: Any) -> Pending:
        message = Pending(
            id=ObjectId(),
            tenant_id=tenant.id,
            conversation_id=ObjectId(),
            phone_number_id=tenant.phone_number_id,
            recipient="+919012345678",
            content={"type": "text", "text": {"body": "hello"}},
            status=MessageStatus.QUEUED,
            attempts=0,
            due_at=clock.now(),
            created_at=clock.now(),
        )
        return replace(message, **changes)

    return make
