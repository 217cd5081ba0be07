"""The alarm for a webhook that one app signed and that speaks of another app's tenants."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from bson import ObjectId

from manyline.base.clock import Clock
from manyline.tenants.models import Tenant

QUIET = timedelta(minutes=1)
REMEMBERED = 1_000
NAMED = 10

log = structlog.get_logger(__name__)


class ForeignAppAlarm:
    """Says it once a minute for each tenant: whoever knows a number can cause it, again and again.

    The metric counts every one.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[ObjectId, datetime] = {}

    def raise_for(
        self, strangers: Sequence[Tenant], *, signed_for: Sequence[Tenant], by_platform: bool
    ) -> None:
        """`signed_for`: tenants in the same webhook of whose app the signature is."""
        now = self._clock.now()
        new = [one for one in strangers if now - self._told.get(one.id, now - QUIET) >= QUIET]
        if not new:
            return
        for tenant in new:
            self._told.pop(tenant.id, None)
            self._told[tenant.id] = now
        while len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]
        log.error(
            "webhook.foreign_app",
            tenants=_ids(new),
            signed_for=_ids(signed_for),
            signed_by=_signer(signed_for, by_platform),
            means="refused: not signed by the app of these tenants. It is forged, or their"
            " appSecret, or APP_SECRET, is not that of the app which sends it",
        )


def _signer(signed_for: Sequence[Tenant], by_platform: bool) -> str:
    if by_platform:
        return "APP_SECRET"
    return "a tenant's appSecret" if signed_for else "nobody known"


def _ids(tenants: Sequence[Tenant]) -> list[str]:
    return sorted({str(tenant.id) for tenant in tenants})[:NAMED]
