"""Credentials for calls: opened once per version of a tenant, with its own app secret if any."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from manyline.meta.graph import credentials
from manyline.sending import tokens as tokens_module
from manyline.sending.tokens import Tokens
from manyline.tenants.models import Tenant
from manyline.vault.keyring import VaultError


class Vault:
    """A `TenantService`, as far as opening secrets goes."""

    def __init__(self) -> None:
        self.token = "EAAG-1"
        self.own_app_secret: str | None = None
        self.opened = 0
        self.lost = False

    async def access_token(self, tenant: Tenant) -> str:
        self.opened += 1
        if self.lost:
            raise VaultError("the key is lost")
        return self.token

    async def app_secret(self, tenant: Tenant) -> str | None:
        return self.own_app_secret


@pytest.fixture
def vault() -> Any:
    return Vault()


async def test_a_token_is_opened_once_per_version(
    vault: Any, make_tenant: Callable[..., Tenant]
) -> None:
    tokens = Tokens(vault, app_secret=None)
    tenant = make_tenant()
    assert await tokens.of(tenant) == await tokens.of(tenant) == credentials("EAAG-1", None)
    assert vault.opened == 1
    vault.token = "EAAG-2"
    changed = replace(tenant, version=tenant.version + 1)
    assert (await tokens.of(changed)).token == "EAAG-2"
    assert vault.opened == 2


async def test_a_tenants_own_app_secret_goes_before_the_platforms(
    vault: Any, make_tenant: Callable[..., Tenant]
) -> None:
    tokens = Tokens(vault, app_secret="platform")
    assert await tokens.of(make_tenant()) == credentials("EAAG-1", "platform")
    vault.own_app_secret = "own"
    assert await tokens.of(make_tenant()) == credentials("EAAG-1", "own")


async def test_what_could_not_be_opened_is_tried_again(
    vault: Any, make_tenant: Callable[..., Tenant]
) -> None:
    tokens, tenant = Tokens(vault, app_secret=None), make_tenant()
    vault.lost = True
    with pytest.raises(VaultError):
        await tokens.of(tenant)
    vault.lost = False
    assert (await tokens.of(tenant)).token == "EAAG-1"


async def test_it_remembers_so_many_and_no_more(
    vault: Any, make_tenant: Callable[..., Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens_module, "CACHED_CREDENTIALS", 2)
    tokens = Tokens(vault, app_secret=None)
    first, second, third = make_tenant(), make_tenant(), make_tenant()
    for tenant in (first, second, third, third, second):
        await tokens.of(tenant)
    assert vault.opened == 3
    await tokens.of(first)
    assert vault.opened == 4
