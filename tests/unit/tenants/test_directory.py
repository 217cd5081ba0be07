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
from manyline.vault.envelope import SealedSecret


class Repository:
    def __init__(self, *tenants: Tenant) -> None:
        self.stored = {tenant.id: tenant for tenant in tenants}
        self.queries = 0
        self.while_asked: Callable[[], None] = lambda: None

    async def find_by_numbers(self, numbers: Sequence[str]) -> list[Tenant]:
        self.queries += 1
        return [tenant for tenant in self.stored.values() if tenant.phone_number_id in numbers]

    async def find_by_wabas(self, waba_ids: Sequence[str]) -> list[Tenant]:
        return [tenant for tenant in self.stored.values() if tenant.waba_id in waba_ids]

    async def any_with_app_secret(self) -> bool:
        self.queries += 1
        answer = any(tenant.app_secret is not None for tenant in self.stored.values())
        self.while_asked()
        return answer

    async def find_by_ids(self, tenant_ids: Sequence[ObjectId]) -> list[Tenant]:
        self.queries += 1
        return [self.stored[each] for each in tenant_ids if each in self.stored]

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


async def test_many_that_are_not_known_yet_are_one_query(
    make_tenant: Callable[..., Tenant], clock: Any
) -> None:
    tenants = [make_tenant(phone_number_id=str(n)) for n in range(5)]
    repository = Repository(*tenants)
    directory = directory_of(repository, clock)
    known, *_ = tenants
    await directory.by_id(known.id)
    asked = [ObjectId(), *(tenant.id for tenant in tenants)]
    assert await directory.by_ids(asked) == {tenant.id: tenant for tenant in tenants}
    assert repository.queries == 2
    await directory.by_ids([tenant.id for tenant in tenants])
    assert repository.queries == 2


async def test_nobody_is_nobody(clock: Any) -> None:
    with pytest.raises(TenantNotFoundError):
        await directory_of(Repository(), clock).by_id(ObjectId())


async def test_numbers_that_a_stranger_chose_are_not_remembered(
    make_tenant: Callable[..., Tenant], clock: Any
) -> None:
    tenant = make_tenant(phone_number_id="111")
    repository = Repository(tenant)
    directory = directory_of(repository, clock)
    numbers = ["111", *(f"stranger {n}" for n in range(100))]
    assert await directory.by_numbers(numbers, remember_strangers=False) == {"111": tenant}
    assert directory._by_number == {"111": tenant}
    assert await directory.by_numbers(["111"]) == {"111": tenant}
    assert repository.queries == 1


async def test_an_account_has_all_its_tenants(
    make_tenant: Callable[..., Tenant], clock: Any
) -> None:
    one, two = (make_tenant(waba_id="7", phone_number_id=number) for number in ("1", "2"))
    other = make_tenant(waba_id="8", phone_number_id="3")
    directory = directory_of(Repository(one, two, other, make_tenant()), clock)
    assert await directory.by_wabas({"7", "9"}) == {"7": [one, two]}


async def test_whether_any_has_its_own_app_is_asked_once_per_change(
    make_tenant: Callable[..., Tenant], clock: Any
) -> None:
    repository = Repository(tenant := make_tenant())
    directory = directory_of(repository, clock)
    assert [await directory.any_own_app() for _ in range(3)] == [False] * 3
    assert repository.queries == 1
    owner = replace(tenant, version=2, app_secret=SealedSecret(1, b"sealed"))
    repository.stored[tenant.id] = owner
    await directory.forget_changed(since=clock.now())
    assert [await directory.any_own_app() for _ in range(3)] == [True] * 3
    assert repository.queries == 2


async def test_an_answer_from_before_a_change_is_not_kept(
    make_tenant: Callable[..., Tenant], clock: Any
) -> None:
    repository = Repository(tenant := make_tenant())
    directory = directory_of(repository, clock)
    repository.while_asked = lambda: directory.forget(tenant.id, tenant.phone_number_id)
    assert not await directory.any_own_app()
    repository.stored[tenant.id] = replace(tenant, app_secret=SealedSecret(1, b"sealed"))
    assert await directory.any_own_app()
