"""Who may speak for whom, against the rule written down a second time, and what is told of it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from manyline.inbound import trust as trust_module
from manyline.inbound.models import BadSignatureError
from manyline.inbound.trust import Trust
from manyline.meta.signature import sign
from manyline.meta.webhook import MalformedWebhookError
from manyline.observability.metrics import InboundMetrics
from manyline.tenants.app_secrets import OwnAppSecrets
from manyline.tenants.directory import TenantDirectory
from manyline.tenants.models import PreviousSecret, Tenant
from manyline.tenants.secrets import OpenedAppSecrets
from manyline.vault.envelope import SealedSecret

MakeTenant = Callable[..., Tenant]
SHARED = ("shared-new", "shared-old")


class Secrets:
    """Sealed is the text itself."""

    def __init__(self) -> None:
        self.opened = 0

    async def app_secrets(self, tenant: Tenant) -> OpenedAppSecrets:
        self.opened += 1
        assert tenant.app_secret is not None
        current = tenant.app_secret.data.decode()
        previous = tenant.previous_app_secret
        if previous is None:
            return OpenedAppSecrets(current)
        return OpenedAppSecrets(current, previous.sealed.data.decode(), previous.until)


class Repository:
    """Tenants in a list."""

    def __init__(self, tenants: Sequence[Tenant]) -> None:
        self.tenants = tenants
        self.asked: list[Any] = []

    async def find_by_numbers(self, numbers: Sequence[str]) -> list[Tenant]:
        self.asked.append(sorted(numbers))
        return [tenant for tenant in self.tenants if tenant.phone_number_id in numbers]

    async def find_by_wabas(self, wabas: Sequence[str]) -> list[Tenant]:
        return [tenant for tenant in self.tenants if tenant.waba_id in wabas]

    async def any_with_app_secret(self) -> bool:
        return any(tenant.app_secret for tenant in self.tenants)


class Stage:
    """Trust over the fakes above."""

    def __init__(self, tenants: Sequence[Tenant], clock: Any, shared: Sequence[str]) -> None:
        self.repository = Repository(tenants)
        self.secrets = Secrets()
        self.registry = CollectorRegistry()
        self.trust = Trust(
            app_secrets=shared,
            own=OwnAppSecrets(self.secrets),  # type: ignore[arg-type]
            directory=TenantDirectory(repository=self.repository, clock=clock),  # type: ignore[arg-type]
            clock=clock,
            metrics=InboundMetrics(self.registry),
        )

    async def admit(self, body: bytes, secret: str | None) -> Any:
        return await self.trust.admit(body, sign(body, secret) if secret is not None else None)

    def counted(self, name: str) -> float:
        return self.registry.get_sample_value(f"manyline_webhooks_{name}_total") or 0.0


def webhook(*numbers: str, wabas: Sequence[str] = ()) -> bytes:
    changes = [
        {"field": "messages", "value": {"metadata": {"phone_number_id": number}, "statuses": [{}]}}
        for number in numbers
    ]
    entries: list[Any] = [{"id": "0", "changes": changes}]
    alert = {"field": "account_alerts", "value": {"alert_type": "OBA_APPROVED"}}
    entries += [{"id": waba, "changes": [alert]} for waba in wabas]
    return json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode()


def sealed(secret: str) -> SealedSecret:
    return SealedSecret(1, secret.encode())


@pytest.fixture
def stage(make_tenant: MakeTenant, clock: Any) -> Stage:
    """Tenants 1 and 2 of an app each, 3 of the platform's; 1 and 3 share the account 9."""
    return Stage(
        [
            make_tenant(phone_number_id="1", app_secret=sealed("own-1"), waba_id="9"),
            make_tenant(phone_number_id="2", app_secret=sealed("own-2"), waba_id="8"),
            make_tenant(phone_number_id="3", waba_id="9"),
        ],
        clock,
        SHARED,
    )


# --- the rule, for any mix ------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Who has which secrets, what a webhook names, and who signs it."""

    shared: tuple[str, ...]
    owners: tuple[tuple[str | None, str | None, bool], ...]
    """Of tenant n: its own secret, the one before, and whether that one's time is over."""
    numbers: tuple[int, ...]
    wabas: tuple[int, ...]
    signed_with: str | None

    def live(self, n: int) -> set[str]:
        own, previous, over = self.owners[n]
        if own is None:
            return set(self.shared)
        return {own} | ({previous} if previous is not None and not over else set())

    def speaks_for(self, n: int) -> bool:
        open_door = self.owners[n][0] is None and not self.shared
        return open_door or self.signed_with in self.live(n)

    def passes(self) -> bool:
        known = [n for n in self.numbers if n < len(self.owners)]
        accounts = [[n for n in range(len(self.owners)) if n % 2 == waba] for waba in self.wabas]
        heard = all(any(map(self.speaks_for, one)) for one in accounts if one)
        somebody = any(map(self.speaks_for, known + [n for one in accounts for n in one]))
        platform = not self.shared or self.signed_with in self.shared
        return all(map(self.speaks_for, known)) and heard and (platform or somebody)


secret_names = st.sampled_from(["a", "b", "c", *SHARED])
owners = st.tuples(st.none() | secret_names, st.none() | secret_names, st.booleans())
worlds = st.builds(
    World,
    shared=st.sampled_from([SHARED, SHARED[:1], ()]),
    owners=st.lists(owners, max_size=4).map(tuple),
    numbers=st.lists(st.integers(0, 5), max_size=4).map(tuple),
    wabas=st.lists(st.integers(0, 2), max_size=2).map(tuple),
    signed_with=st.none() | secret_names | st.just("nobody's"),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(world=worlds)
async def test_a_webhook_passes_when_its_signer_speaks_for_all_in_it(
    world: World, make_tenant: MakeTenant, clock: Any
) -> None:
    tenants = [tenant_of(world, n, make_tenant, clock) for n in range(len(world.owners))]
    stage = Stage(tenants, clock, world.shared)
    body = webhook(*map(str, world.numbers), wabas=[f"w{waba}" for waba in world.wabas])
    try:
        found = await stage.admit(body, world.signed_with)
    except BadSignatureError:
        assert not world.passes()
        assert stage.counted("refused") == 1
        return
    assert world.passes()
    known = {str(n) for n in world.numbers if n < len(world.owners)}
    assert found.by_number.keys() == known
    heard = {t.phone_number_id for tenants in found.by_waba.values() for t in tenants}
    accounts = [n for n in range(len(world.owners)) if n % 2 in world.wabas]
    assert heard == {str(n) for n in accounts if world.speaks_for(n)}
    assert stage.counted("refused") == 0


def tenant_of(world: World, n: int, make_tenant: MakeTenant, clock: Any) -> Tenant:
    own, previous, over = world.owners[n]
    until = clock.now() + timedelta(seconds=0 if over else 1)
    return make_tenant(
        phone_number_id=str(n),
        waba_id=f"w{n % 2}",
        app_secret=sealed(own) if own else None,
        previous_app_secret=PreviousSecret(sealed(previous), until) if own and previous else None,
    )


# --- one by one -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "body"),
    [
        ("own-1", webhook("2")),
        ("own-1", webhook("3")),
        ("own-1", webhook("1", "2")),
        ("own-1", webhook("2", "1")),
        ("own-1", webhook("1", "3")),
        ("own-1", webhook("1", wabas=["8"])),
        ("own-1", webhook(wabas=["8"])),
        ("shared-new", webhook("1")),
        ("shared-old", webhook("3", "1")),
        ("shared-new", webhook("3", wabas=["8"])),
        ("nobody's", webhook("3")),
    ],
)
async def test_one_app_cannot_speak_for_another(stage: Stage, secret: str, body: bytes) -> None:
    with capture_logs() as lines, pytest.raises(BadSignatureError):
        await stage.admit(body, secret)
    assert (stage.counted("refused"), stage.counted("of_a_foreign_app")) == (1, 1)
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("webhook.foreign_app", "error")


@pytest.mark.parametrize(
    ("secret", "body"),
    [
        ("own-1", webhook("1", "unknown")),
        ("own-1", webhook(wabas=["9"])),
        ("own-2", webhook("2", wabas=["8", "unknown"])),
        ("shared-new", webhook("3", "unknown")),
        ("shared-old", webhook("3", wabas=["9"])),
        ("shared-new", webhook("unknown")),
        ("shared-new", webhook()),
    ],
)
async def test_each_app_speaks_for_its_own(stage: Stage, secret: str, body: bytes) -> None:
    with capture_logs() as lines:
        await stage.admit(body, secret)
    assert lines == []


async def test_news_of_a_shared_account_is_for_the_tenants_of_the_app(stage: Stage) -> None:
    one, _, three = stage.repository.tenants
    assert (await stage.admit(webhook(wabas=["9"]), "own-1")).by_waba == {"9": [one]}
    assert (await stage.admit(webhook(wabas=["9"]), "shared-new")).by_waba == {"9": [three]}


async def test_the_alarm_names_tenants_and_tells_nothing_else(stage: Stage) -> None:
    one, two, three = (str(tenant.id) for tenant in stage.repository.tenants)
    with capture_logs() as lines:
        for secret, body in (
            ("own-1", webhook("1", "2")),
            ("shared-new", webhook("1")),
            ("own-2", webhook("3")),
        ):
            with pytest.raises(BadSignatureError):
                await stage.admit(body, secret)
    told = [(line["tenants"], line["signed_for"], line["signed_by"]) for line in lines]
    assert told == [
        ([two], [one], "a tenant's appSecret"),
        ([one], [], "APP_SECRET"),
        ([three], [], "nobody known"),
    ]
    for secret in ("own-1", "own-2", *SHARED, "sha256="):
        assert secret not in repr(lines)


async def test_the_alarm_is_raised_once_a_minute_for_each_tenant(stage: Stage, clock: Any) -> None:
    with capture_logs() as lines:
        for number in ("2", "2", "1", "2"):
            with pytest.raises(BadSignatureError):
                await stage.admit(webhook(number), "nobody's")
        assert len(lines) == 2
        clock.advance(seconds=60)
        with pytest.raises(BadSignatureError):
            await stage.admit(webhook("2"), "nobody's")
    assert len(lines) == 3
    assert stage.counted("of_a_foreign_app") == 5


async def test_a_refusal_says_the_same_whatever_was_wrong(stage: Stage) -> None:
    said = set()
    body = webhook("1")
    right = sign(body, "own-1")
    for given_body, signature in (
        (body, None),
        (body, right[:-1]),
        (body, right.upper()),
        (body, sign(body, "shared-new")),
        (webhook("unknown"), sign(webhook("unknown"), "own-1")),
        (b"no json", sign(b"no json", "own-1")),
    ):
        with pytest.raises(BadSignatureError) as refusal:
            await stage.trust.admit(given_body, signature)
        said.add(refusal.value.detail)
        assert refusal.value.__cause__ is None
    (words,) = said
    assert right.removeprefix("sha256=") not in words


async def test_what_nobody_can_have_signed_is_not_read(
    make_tenant: MakeTenant, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust_module, "parse", lambda _body: pytest.fail("was parsed"))
    stage = Stage([make_tenant(phone_number_id="1")], clock, SHARED)
    for signature in (None, "", "sha256=" + "0" * 64, "sha256=" + "0" * 100_000):
        with pytest.raises(BadSignatureError):
            await stage.trust.admit(webhook("1"), signature)
    stage = Stage([make_tenant(app_secret=sealed("own-1"))], clock, SHARED)
    for signature in (None, "", "sha256=", "sha256=" + "x" * 64, "sha256=" + "0" * 65):
        with pytest.raises(BadSignatureError):
            await stage.trust.admit(webhook("1"), signature)


async def test_an_unproven_body_costs_little(
    stage: Stage, make_tenant: MakeTenant, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust_module, "MOST_NAMED", 100)
    with pytest.raises(BadSignatureError):
        await stage.admit(webhook(*(f"n{n}" for n in range(101))), "nobody's")
    assert stage.repository.asked == []
    many = [make_tenant(phone_number_id=str(n), app_secret=sealed(f"own-{n}")) for n in range(100)]
    crowd = Stage(many, clock, SHARED)
    with pytest.raises(BadSignatureError):
        await crowd.admit(webhook(*(str(n) for n in range(100))), "nobody's")
    assert crowd.secrets.opened <= trust_module.MOST_TRIED


async def test_in_the_usual_case_no_secret_is_opened(stage: Stage) -> None:
    for _ in range(3):
        await stage.admit(webhook("3"), "shared-new")
    assert stage.secrets.opened == 0
    assert stage.repository.asked == [["3"]]


async def test_what_the_platform_signed_and_is_no_webhook_is_told_apart(stage: Stage) -> None:
    with pytest.raises(MalformedWebhookError):
        await stage.admit(b"no json", "shared-new")


async def test_a_changed_secret_counts_at_once(stage: Stage, clock: Any) -> None:
    one, two, three = stage.repository.tenants
    await stage.admit(webhook("1"), "own-1")
    until = clock.now() + timedelta(days=7)
    changed = replace(
        one,
        version=2,
        app_secret=sealed("newer-1"),
        previous_app_secret=PreviousSecret(sealed("own-1"), until),
    )
    stage.repository.tenants = [changed, two, three]
    stage.trust._directory.forget(one.id, "1")
    await stage.admit(webhook("1"), "newer-1")
    await stage.admit(webhook("1"), "own-1")
    clock.advance(days=7)
    with pytest.raises(BadSignatureError):
        await stage.admit(webhook("1"), "own-1")
    await stage.admit(webhook("1"), "newer-1")
