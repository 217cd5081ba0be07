"""What a person changes of a tenant: its settings, its secrets, whether it is served.

A change is made from one version of the tenant and stored only over that version, so changes at
the same moment all count; whoever was slower is made anew.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from bson import ObjectId

from manyline.base.clock import Clock
from manyline.meta.catalogue import ErrorClass, row_of
from manyline.meta.graph import NumberSeen
from manyline.meta.simulated import is_mock_token
from manyline.tenants.models import (
    Tenant,
    TenantChangedError,
    TenantSettings,
    TenantStatus,
)
from manyline.tenants.repository import TenantRepository
from manyline.tenants.secrets import TenantSecrets
from manyline.tenants.token_check import TokenCheck, refuse_mock_token

# Each round one of those who race is through, so this is how many may; with the pauses between,
# some ten seconds at the most.
CHANGE_TRIES = 60
FIRST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 0.25

BY_THE_OPERATOR = "paused by the operator"


@dataclass(frozen=True, slots=True)
class Changes:
    """What a PATCH may change, worked out against the tenant it was made from.

    A secret that is None stays as it is, unless its `forget_…` says so; so does a status.
    """

    name: str
    waba_id: str | None
    settings: TenantSettings
    status: TenantStatus | None = None
    access_token: str | None = field(default=None, repr=False)
    app_secret: str | None = field(default=None, repr=False)
    forget_app_secret: bool = False


Make = Callable[[Tenant], Changes]


class TenantChanger:
    """Changes tenants; a new token is checked against Graph first."""

    def __init__(
        self,
        *,
        repository: TenantRepository,
        secrets: TenantSecrets,
        token_check: TokenCheck,
        clock: Clock,
        mock_allowed: bool,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._repository = repository
        self._secrets = secrets
        self._token_check = token_check
        self._clock = clock
        self._mock_allowed = mock_allowed
        self._sleep = sleep

    async def change(self, tenant_id: ObjectId, make: Make) -> Tenant:
        """Apply what `make` makes of the stored tenant, anew if somebody else was faster.

        Raises `TenantNotFoundError`, `MockTokenRefusedError`, `TokenRefusedError`,
        `GraphUnreachableError` and, when others were faster all the time, `TenantChangedError`;
        whatever `make` raises passes.
        """
        current = await self._repository.get(tenant_id)
        changes = make(current)
        seen = await self._checked(current, changes)
        for tried in range(CHANGE_TRIES - 1):
            try:
                return await self._apply(current, changes, seen)
            except TenantChangedError:
                await self._sleep(_pause(tried))
            current = await self._repository.get(tenant_id)
            changes = make(current)
        return await self._apply(current, changes, seen)

    async def _checked(self, current: Tenant, changes: Changes) -> NumberSeen | None:
        """What Graph shows under the new token, if there is one and it is no simulated one."""
        token = changes.access_token
        if token is None:
            return None
        refuse_mock_token(token, allowed=self._mock_allowed)
        if is_mock_token(token):
            return None
        app_secret = changes.app_secret
        if app_secret is None and not changes.forget_app_secret:
            app_secret = await self._secrets.app_secret_if_it_opens(current)
        return await self._token_check.check(
            token, phone_number_id=current.phone_number_id, app_secret=app_secret
        )

    async def _apply(self, current: Tenant, changes: Changes, seen: NumberSeen | None) -> Tenant:
        changed = replace(
            current,
            name=changes.name,
            waba_id=changes.waba_id,
            settings=changes.settings,
            version=current.version + 1,
            updated_at=self._clock.now(),
        )
        changed = _in_status(changed, changes)
        if seen is not None and seen.display_phone_number is not None:
            changed = replace(changed, display_phone_number=seen.display_phone_number)
        changed = await self._with_secrets(changed, changes)
        await self._repository.replace(changed)
        return changed

    async def _with_secrets(self, tenant: Tenant, changes: Changes) -> Tenant:
        previous = tenant.previous_app_secret
        if previous is not None and previous.until <= self._clock.now():
            tenant = replace(tenant, previous_app_secret=None)
        if changes.access_token is not None:
            tenant = await self._secrets.under_new_key(tenant, changes.access_token)
        if changes.forget_app_secret or changes.app_secret is not None:
            tenant = await self._secrets.with_new_app_secret(
                tenant, changes.app_secret, now=self._clock.now()
            )
        return tenant


def _in_status(tenant: Tenant, changes: Changes) -> Tenant:
    """The status that was asked for; else a new token ends what the old one was paused for."""
    status = changes.status
    if status is None and changes.access_token is not None and _waits_for_a_token(tenant):
        status = TenantStatus.ACTIVE
    if status is None:
        return tenant
    reason = BY_THE_OPERATOR if status is TenantStatus.PAUSED else None
    return replace(tenant, status=status, paused_reason=reason, paused_code=None)


def _waits_for_a_token(tenant: Tenant) -> bool:
    """Whether Graph refused the tenant's token; a person's pause is the person's to end.

    Only trouble of the tenant's own pauses it, so a code that is neither the account's nor the
    number's was the token's.
    """
    if tenant.status is not TenantStatus.PAUSED or tenant.paused_code is None:
        return False
    return row_of(tenant.paused_code).error_class not in {ErrorClass.ACCOUNT, ErrorClass.NUMBER}


def _pause(tried: int) -> float:
    """Seconds before the next try: drawn, so that those who met do not meet again."""
    longest = min(FIRST_PAUSE_SECONDS * 2**tried, LONGEST_PAUSE_SECONDS)
    return random.uniform(0, longest)  # noqa: S311 - no secret
