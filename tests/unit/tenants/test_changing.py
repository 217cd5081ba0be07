"""Changing a tenant: races lose nothing, a new token is checked first and ends what it mends."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId

from manyline.meta.graph import NumberSeen
from manyline.tenants.changing import CHANGE_TRIES, Changes, TenantChanger
from manyline.tenants.models import (
    MockTokenRefusedError,
    Tenant,
    TenantChangedError,
    TenantStatus,
    TokenRefusedError,
)
from manyline.tenants.secrets import TenantSecrets
from manyline.vault.envelope import Vault
from manyline.vault.keyring import LocalKeyring

SEEN = NumberSeen("111111111111111", display_phone_number="+1 555 0100")
MakeTenant = Callable[..., Tenant]


class Repository:
    """One tenant, stored version over version; `beaten` replaces fail as if others were faster."""

    def __init__(self, tenant: Tenant, beaten: int = 0) -> None:
        self.stored = tenant
        self.beaten = beaten
        self.tried = 0

    async def get(self, _tenant_id: ObjectId) -> Tenant:
        await asyncio.sleep(0)
        return self.stored

    async def replace(self, tenant: Tenant) -> None:
        await asyncio.sleep(0)
        self.tried += 1
        if self.beaten:
            self.beaten -= 1
            self.stored = replace(self.stored, version=self.stored.version + 1)
        if tenant.version != self.stored.version + 1:
            raise TenantChangedError("somebody was faster")
        self.stored = tenant


class Check:
    """A token check that always says the same."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.asked: list[tuple[str, str, str | None]] = []

    async def check(
        self, access_token: str, *, phone_number_id: str, app_secret: str | None
    ) -> NumberSeen:
        self.asked.append((access_token, phone_number_id, app_secret))
        if self.refusal is not None:
            raise self.refusal
        return SEEN


class Stage:
    """A changer over the fakes above and a real vault."""

    def __init__(self, tenant: Tenant, clock: Any, **more: Any) -> None:
        self.secrets = TenantSecrets(Vault(LocalKeyring([b"k" * 32])))
        self.repository = Repository(tenant, more.get("beaten", 0))
        self.check = Check(more.get("refusal"))
        self.pauses: list[float] = []
        self.changer = TenantChanger(
            repository=self.repository,  # type: ignore[arg-type]
            secrets=self.secrets,
            token_check=self.check,  # type: ignore[arg-type]
            clock=clock,
            mock_allowed=more.get("mock_allowed", True),
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def change(self, **changes: Any) -> Tenant:
        return await self.changer.change(self.repository.stored.id, lambda t: made(t, **changes))


def made(tenant: Tenant, **changes: Any) -> Changes:
    kept = {"name": tenant.name, "waba_id": tenant.waba_id, "settings": tenant.settings}
    return Changes(**{**kept, **changes})


@pytest.fixture
def paused(make_tenant: MakeTenant) -> Callable[[int | None], Tenant]:
    """A tenant that is paused, by a code of Graph's or by a person."""

    def make(code: int | None) -> Tenant:
        return make_tenant(
            status=TenantStatus.PAUSED, paused_reason="because", paused_code=code, version=7
        )

    return make


async def test_thirty_at_once_all_count(make_tenant: MakeTenant, clock: Any) -> None:
    stage = Stage(make_tenant(name=""), clock)

    def longer(tenant: Tenant) -> Changes:
        return made(tenant, name=tenant.name + "x")

    tenant_id = stage.repository.stored.id
    await asyncio.gather(*(stage.changer.change(tenant_id, longer) for _ in range(30)))
    assert stage.repository.stored.name == "x" * 30
    assert stage.repository.stored.version == 31


async def test_who_is_always_beaten_is_told_so_in_the_end(
    make_tenant: MakeTenant, clock: Any
) -> None:
    stage = Stage(make_tenant(), clock, beaten=1_000)
    with pytest.raises(TenantChangedError):
        await stage.change(name="B")
    assert stage.repository.tried == CHANGE_TRIES
    assert sum(stage.pauses) < 20
    assert max(stage.pauses) <= 0.25
    assert len(set(stage.pauses)) > CHANGE_TRIES / 2


async def test_a_token_is_checked_once_however_often_the_change_is_made_anew(
    make_tenant: MakeTenant, clock: Any
) -> None:
    stage = Stage(make_tenant(), clock, beaten=5)
    tenant = await stage.change(access_token="EAAG-new", app_secret="own")
    assert stage.check.asked == [("EAAG-new", "111111111111111", "own")]
    assert stage.repository.tried == 6
    assert await stage.secrets.access_token(tenant) == "EAAG-new"
    assert await stage.secrets.app_secret(tenant) == "own"
    assert tenant.display_phone_number == "+1 555 0100"


async def test_the_check_uses_the_secret_that_will_be_stored(
    make_tenant: MakeTenant, clock: Any
) -> None:
    stage = Stage(make_tenant(), clock)
    await stage.change(access_token="EAAG-1", app_secret="one")
    await stage.change(access_token="EAAG-2")
    await stage.change(access_token="EAAG-3", forget_app_secret=True)
    assert [secret for _, _, secret in stage.check.asked] == ["one", "one", None]


async def test_a_refused_token_changes_nothing(make_tenant: MakeTenant, clock: Any) -> None:
    before = make_tenant()
    stage = Stage(before, clock, refusal=TokenRefusedError("refused", graph_code=190))
    with pytest.raises(TokenRefusedError):
        await stage.change(access_token="EAAG-new", name="B")
    assert stage.repository.stored is before
    assert stage.repository.tried == 0


async def test_a_simulated_token_is_not_shown_to_graph(make_tenant: MakeTenant, clock: Any) -> None:
    stage = Stage(make_tenant(), clock)
    await stage.change(access_token="mock_x")
    assert stage.check.asked == []
    closed = Stage(make_tenant(), clock, mock_allowed=False)
    with pytest.raises(MockTokenRefusedError):
        await closed.change(access_token="mock_x")
    assert closed.repository.tried == 0


async def test_what_is_no_token_asks_graph_nothing(make_tenant: MakeTenant, clock: Any) -> None:
    stage = Stage(make_tenant(), clock)
    await stage.change(name="B", status=TenantStatus.PAUSED)
    assert stage.check.asked == []


# 987654 is in no catalogue: only a 401 or 403 made it the tenant's trouble.
@pytest.mark.parametrize("code", [190, 0, 200, 299, 131005, 987_654])
@pytest.mark.parametrize("token", ["EAAG-new", "mock_new"])
async def test_a_new_token_ends_a_pause_for_the_old_one(
    paused: Callable[[int | None], Tenant], clock: Any, code: int, token: str
) -> None:
    tenant = await Stage(paused(code), clock).change(access_token=token)
    assert tenant.status is TenantStatus.ACTIVE
    assert (tenant.paused_reason, tenant.paused_code) == (None, None)


# A person, a locked account, an account that does not pay, a number that is not registered.
@pytest.mark.parametrize("code", [None, 131031, 131042, 133010])
async def test_a_new_token_does_not_end_what_it_does_not_mend(
    paused: Callable[[int | None], Tenant], clock: Any, code: int | None
) -> None:
    tenant = await Stage(paused(code), clock).change(access_token="EAAG-new")
    assert tenant.status is TenantStatus.PAUSED
    assert (tenant.paused_reason, tenant.paused_code) == ("because", code)


async def test_no_other_change_ends_a_pause(
    paused: Callable[[int | None], Tenant], clock: Any
) -> None:
    tenant = await Stage(paused(190), clock).change(name="B", waba_id="102")
    assert (tenant.status, tenant.paused_code) == (TenantStatus.PAUSED, 190)
    assert tenant.paused_reason == "because"


async def test_a_person_who_says_active_clears_the_reason(
    paused: Callable[[int | None], Tenant], clock: Any
) -> None:
    tenant = await Stage(paused(131031), clock).change(status=TenantStatus.ACTIVE)
    assert (tenant.status, tenant.paused_reason, tenant.paused_code) == ("active", None, None)


async def test_a_person_who_says_paused_is_believed_over_the_token(
    paused: Callable[[int | None], Tenant], clock: Any
) -> None:
    stage = Stage(paused(190), clock)
    tenant = await stage.change(access_token="EAAG-new", status=TenantStatus.PAUSED)
    assert (tenant.status, tenant.paused_code) == (TenantStatus.PAUSED, None)
    assert tenant.paused_reason == "paused by the operator"
    tenant = await stage.change(access_token="EAAG-newer")
    assert tenant.status is TenantStatus.PAUSED


async def test_a_pause_that_comes_in_between_is_seen(make_tenant: MakeTenant, clock: Any) -> None:
    """The old token's error pauses the tenant while the new one is being checked."""
    stage = Stage(make_tenant(), clock)
    before = stage.repository.stored

    async def check(*_: object, **__: object) -> NumberSeen:
        stage.repository.stored = replace(
            before, status=TenantStatus.PAUSED, paused_code=190, paused_reason="old", version=2
        )
        return SEEN

    stage.check.check = check  # type: ignore[method-assign]
    tenant = await stage.change(access_token="EAAG-new")
    assert (tenant.status, tenant.paused_reason, tenant.version) == ("active", None, 3)


def test_changes_do_not_show_their_secrets() -> None:
    shown = repr(Changes("A", None, None, access_token="EAAG-x", app_secret="own"))  # type: ignore[arg-type]
    assert "EAAG" not in shown
    assert "own" not in shown
