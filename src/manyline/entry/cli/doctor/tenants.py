"""Checks of what is stored: every secret opens, a worker is there, nothing waits for too long."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from bson import ObjectId

from manyline.base.clock import Clock
from manyline.entry.cli.doctor.findings import Finding, broken, ok, warning
from manyline.infra.heartbeats import LATELY
from manyline.settings import Settings, decode_master_key
from manyline.tenants.models import Tenant, TenantStatus
from manyline.tenants.repository import TenantRepository
from manyline.tenants.secrets import ACCESS_TOKEN, APP_SECRET, PREVIOUS_APP_SECRET
from manyline.vault.development_key import FILE_NAME, development_key
from manyline.vault.envelope import Vault
from manyline.vault.keyring import LocalKeyring, VaultError

SECRETS = "secrets"
WORKER = "worker"
LAG = "relay lag"
PAGE = 100
NAMED = 3
# What could not be sent at once is due again within seconds; a broadcast may take minutes.
LONG = timedelta(seconds=30)
TOO_LONG = timedelta(minutes=5)


async def every_tenant(repository: TenantRepository) -> AsyncIterator[Tenant]:
    """All of them, page by page."""
    cursor: str | None = None
    while True:
        page = await repository.list_page(limit=PAGE, cursor=cursor)
        for tenant in page.items:
            yield tenant
        cursor = page.next_cursor
        if cursor is None:
            return


async def secrets(settings: Settings, tenants: Sequence[Tenant]) -> Finding:
    """Whether the master key opens what every tenant has stored."""
    if not tenants:
        return ok(SECRETS, "no tenant is registered yet")
    keyring = _keyring(settings)
    if keyring is None:
        return broken(
            SECRETS,
            f"there is no master key: MASTER_KEY is not set, and {settings.data_dir / FILE_NAME}"
            " is missing",
            "set MASTER_KEY to the key under which the tenants were registered",
        )
    vault = Vault(keyring)
    closed = [tenant for tenant in tenants if not await _opens(vault, tenant)]
    if not closed:
        return ok(SECRETS, f"the master key opens those of all {len(tenants)} tenants")
    names = ", ".join(str(tenant.id) for tenant in closed[:NAMED])
    more = f" and {len(closed) - NAMED} more" if len(closed) > NAMED else ""
    return broken(
        SECRETS,
        f"those of {len(closed)} of {len(tenants)} tenants do not open ({names}{more}): nothing"
        " can be sent for them",
        "add the key that sealed them to MASTER_KEY, after a comma; if it is lost, give each its"
        " token again (PATCH /tenants/{id})",
    )


def _keyring(settings: Settings) -> LocalKeyring | None:
    """As the processes have it; a development key is read, never made."""
    keys = [decode_master_key(key.get_secret_value()) for key in settings.master_key]
    if not keys and (settings.data_dir / FILE_NAME).exists():
        keys = [development_key(settings.data_dir)]
    return LocalKeyring(keys) if keys else None


async def _opens(vault: Vault, tenant: Tenant) -> bool:
    previous = tenant.previous_app_secret
    sealed = {
        ACCESS_TOKEN: tenant.access_token,
        APP_SECRET: tenant.app_secret,
        PREVIOUS_APP_SECRET: previous.sealed if previous else None,
    }
    try:
        for field, secret in sealed.items():
            if secret is not None:
                await vault.open(
                    secret, tenant_id=str(tenant.id), field=field, data_key=tenant.data_key
                )
    except VaultError:
        return False
    return True


def worker_seen(seen: datetime | None, clock: Clock) -> Finding:
    """`seen`: when any worker last said that it is there."""
    fix = "start one: manyline worker (`manyline up` runs one); if one runs, look at its log"
    if seen is None:
        return broken(WORKER, "none was seen within the last hour: nothing is sent", fix)
    age = clock.now() - seen
    if age > LATELY:
        return broken(WORKER, f"last seen {_ago(age)} ago: nothing is sent", fix)
    return ok(WORKER, f"seen {max(age.total_seconds(), 0):.1f} s ago")


def relay_lag(
    queued: dict[ObjectId, datetime],
    sending: dict[ObjectId, datetime],
    tenants: Sequence[Tenant],
    clock: Clock,
) -> Finding:
    """How long anything is overdue, by each tenant's earliest; paused tenants wait on purpose.

    `queued`: messages that should have been sent by then; `sending`: claims whose lease has ended.
    """
    now = clock.now()
    forgotten = max((now - ended for ended in sending.values()), default=timedelta(0))
    if forgotten > LONG:
        return broken(
            LAG,
            f"a worker that died left claims which nobody has settled for {_ago(forgotten)}: the"
            " relay does not run",
            "start a worker; if one runs, look for relay warnings in its log",
        )
    active = {tenant.id for tenant in tenants if tenant.status is TenantStatus.ACTIVE}
    late = {one: now - due for one, due in queued.items() if one in active}
    longest = max(late.values(), default=timedelta(0))
    detail = f"the longest waiting message is {_ago(longest)} overdue"
    if longest <= LONG:
        return ok(LAG, detail if late else "nothing is overdue")
    numbers = sum(age > LONG for age in late.values())
    fix = (
        "a large broadcast takes its time (80 messages a second for a number); otherwise look for"
        " relay and settle warnings in the worker's log, and start more workers"
    )
    make = broken if longest > TOO_LONG else warning
    return make(LAG, f"{detail}; tenants that wait: {numbers}", fix)


def _ago(age: timedelta) -> str:
    seconds = age.total_seconds()
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
