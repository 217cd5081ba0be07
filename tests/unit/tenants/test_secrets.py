"""App secrets that are changed: what was replaced stays good for a week, and is sealed apart."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from manyline.tenants import app_secrets as app_secrets_module
from manyline.tenants.app_secrets import OwnAppSecrets
from manyline.tenants.models import Tenant
from manyline.tenants.secrets import TenantSecrets
from manyline.vault.envelope import Vault
from manyline.vault.keyring import LocalKeyring, VaultError

MakeTenant = Callable[..., Tenant]


@pytest.fixture
def secrets() -> TenantSecrets:
    return TenantSecrets(Vault(LocalKeyring([b"k" * 32])))


@pytest.fixture
async def tenant(secrets: TenantSecrets, make_tenant: MakeTenant) -> Tenant:
    """With a real data key, and no app secret yet."""
    return await secrets.under_new_key(make_tenant(), "EAAG")


@pytest.fixture
def live(secrets: TenantSecrets, clock: Any) -> Callable[[Tenant], Any]:
    """Those that are good now, read past any cache."""

    async def read(tenant: Tenant) -> tuple[str, ...]:
        return await OwnAppSecrets(secrets).live(tenant, now=clock.now())

    return read


async def test_the_one_before_is_good_for_a_week(
    secrets: TenantSecrets, tenant: Tenant, clock: Any, live: Any
) -> None:
    assert await live(tenant) == ()
    tenant = await secrets.with_new_app_secret(tenant, "a", now=clock.now())
    assert await live(tenant) == ("a",)
    tenant = await secrets.with_new_app_secret(tenant, "b", now=clock.now())
    assert await live(tenant) == ("b", "a")
    clock.advance(days=6, hours=23, minutes=59)
    assert await live(tenant) == ("b", "a")
    clock.advance(minutes=1)
    assert await live(tenant) == ("b",)


async def test_two_are_live_and_never_three(
    secrets: TenantSecrets, tenant: Tenant, clock: Any, live: Any
) -> None:
    for secret in "abc":
        tenant = await secrets.with_new_app_secret(tenant, secret, now=clock.now())
    assert await live(tenant) == ("c", "b")
    tenant = await secrets.with_new_app_secret(tenant, "b", now=clock.now())
    assert await live(tenant) == ("b", "c")


async def test_the_same_again_changes_nothing(
    secrets: TenantSecrets, tenant: Tenant, clock: Any
) -> None:
    for secret in "ab":
        tenant = await secrets.with_new_app_secret(tenant, secret, now=clock.now())
    clock.advance(days=3)
    assert await secrets.with_new_app_secret(tenant, "b", now=clock.now()) == tenant


async def test_none_takes_both_away(
    secrets: TenantSecrets, tenant: Tenant, clock: Any, live: Any
) -> None:
    for secret in ("a", "b", None):
        tenant = await secrets.with_new_app_secret(tenant, secret, now=clock.now())
    assert await live(tenant) == ()
    tenant = await secrets.with_new_app_secret(tenant, "c", now=clock.now())
    assert await live(tenant) == ("c",)


async def test_a_new_token_keeps_both_and_their_time(
    secrets: TenantSecrets, tenant: Tenant, clock: Any, live: Any
) -> None:
    for secret in "ab":
        tenant = await secrets.with_new_app_secret(tenant, secret, now=clock.now())
    clock.advance(days=3)
    tenant = await secrets.under_new_key(tenant, "EAAG-2")
    assert await live(tenant) == ("b", "a")
    clock.advance(days=4)
    assert await live(tenant) == ("b",)


async def test_the_two_cannot_change_places_in_the_store(
    secrets: TenantSecrets, tenant: Tenant, clock: Any, live: Any
) -> None:
    for secret in "ab":
        tenant = await secrets.with_new_app_secret(tenant, secret, now=clock.now())
    previous = tenant.previous_app_secret
    assert previous is not None
    assert tenant.app_secret is not None
    with pytest.raises(VaultError):
        await live(replace(tenant, app_secret=previous.sealed))
    with pytest.raises(VaultError):
        swapped = replace(previous, sealed=tenant.app_secret)
        await live(replace(tenant, previous_app_secret=swapped))


async def test_no_secret_shows(secrets: TenantSecrets, tenant: Tenant, clock: Any) -> None:
    for secret in ("hush-a", "hush-b"):
        tenant = await secrets.with_new_app_secret(tenant, secret, now=clock.now())
    assert "hush" not in repr(await secrets.app_secrets(tenant)) + repr(tenant)


async def test_they_are_opened_once_per_version_and_so_many_are_kept(
    secrets: TenantSecrets, tenant: Tenant, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Tenant] = []
    original = secrets.app_secrets

    async def counted(tenant: Tenant) -> Any:
        opened.append(tenant)
        return await original(tenant)

    monkeypatch.setattr(secrets, "app_secrets", counted)
    monkeypatch.setattr(app_secrets_module, "CACHED_SECRETS", 1)
    own, now = OwnAppSecrets(secrets), clock.now()
    tenant = await secrets.with_new_app_secret(tenant, "a", now=now - timedelta(days=1))
    assert [await own.live(tenant, now=now) for _ in range(3)] == [("a",)] * 3
    assert len(opened) == 1
    opened.clear()
    tenant = await secrets.with_new_app_secret(tenant, "b", now=now)
    tenant = replace(tenant, version=2)
    opened.clear()
    assert [await own.live(tenant, now=now) for _ in range(3)] == [("b", "a")] * 3
    assert len(opened) == 1
    assert len(own._opened) == 1
