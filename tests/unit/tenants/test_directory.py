"""The directory: no query per message, and no stale answer once a change was seen."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from bson import ObjectId

from manyline.tenants.directory import TenantDirectory
from manyline.tenants.models import Tenant, TenantNotFoundError
from manyline.tenants.repository import ChangedTenant


class Repository:
    def __init__(self, *tenants: Tenant) -> None:
        self.stored = {tenant.id: tenant for tenant in tenants}
        self.queries = 0

    async def find_by_numbers(self, numbers: Sequence[str]) -> list[Tenant]:
        self.queries += 1
        return [tenant for tenant in self.stored.values() if tenant.phone_number_id in numbers]

    async def get(self, tenant_id: ObjectId) -> Tenant:
        self.queries += 1
        if tenant_id not in self.stored:
            raise TenantNotFoundError("none")
        return self.stored[tenant_id]

    async def changed_since(self, _moment: datetime) -> list[ChangedTenant]:
        return [ChangedTenant(t.id, t.phone_number_id, t.version) for t in self.stored.values()]


def directory_of(repository: Any, clock: Any) -> TenantDirectory:
    return TenantDirectory(repository=repository, clock=clock)


async def test_one_query_and_then_none(make_tenant: Callable[..., Tenant], clock: Any) -> None:
    tenant = make_tenant(phone_number_id="111")
    repository = Repository(tenant)
    directory = directory_of(repository, clock)
    for _ in range(5):
        assert await directory.by_numbers(["111", "nobody's"]) == {"111": tenant}
        assert await directory.by_id(tenant.id) is tenant
    assert repository.queries == 1


async def test_a_change_is_seen_after_a_round(
    make_tenant: Callable[..., Tenant], clock: Any
) -> None:
    tenant = make_tenant(phone_number_id="111")
    repository = Repository(tenant)
    directory = directory_of(repository, clock)
    await directory.by_id(tenant.id)
    changed = replace(tenant, name="B", version=2)
    repository.stored[tenant.id] = changed
    assert (await directory.by_id(tenant.id)).name == "Tenant A"
    await directory.forget_changed(since=clock.now())
    assert await directory.by_id(tenant.id) == changed
    assert await directory.by_numbers(["111"]) == {"111": changed}


async def test_a_number_registered_after_it_was_asked_for_is_found(
    make_tenant: Callable[..., Tenant], clock: Any
) -> None:
    repository = Repository()
    directory = directory_of(repository, clock)
    assert await directory.by_numbers(["111"]) == {}
    tenant = make_tenant(phone_number_id="111")
    repository.stored[tenant.id] = tenant
    await directory.forget_changed(since=clock.now())
    assert await directory.by_numbers(["111"]) == {"111": tenant}


async def test_a_round_without_news_forgets_nothing(
    make_tenant: Callable[..., Tenant], clock: Any
) -> None:
    tenant = make_tenant()
    repository = Repository(tenant)
    directory = directory_of(repository, clock)
    await directory.by_id(tenant.id)
    await directory.forget_changed(since=clock.now())
    await directory.by_id(tenant.id)
    assert repository.queries == 1


async def test_it_is_bounded(
    make_tenant: Callable[..., Tenant], clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("manyline.tenants.directory.CACHED_NUMBERS", 10)
    tenants = [make_tenant(phone_number_id=str(n)) for n in range(50)]
    directory = directory_of(Repository(*tenants), clock)
    for tenant in tenants:
        assert await directory.by_id(tenant.id) is tenant
    await directory.by_numbers([f"stranger {n}" for n in range(100)])
    assert len(directory._by_number) <= 10
    assert len(directory._number_of) <= 10


async def test_nobody_is_nobody(clock: Any) -> None:
    with pytest.raises(TenantNotFoundError):
        await directory_of(Repository(), clock).by_id(ObjectId())
