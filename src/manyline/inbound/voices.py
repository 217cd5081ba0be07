"""For whom the app that signed a webhook may speak, kept for when the webhook is read again.

A signature proves the app at the time it came. Applied again later, an item must not reach a tenant
that it could not have reached then: one that has taken over a number, say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bson import ObjectId

from manyline.inbound.addressed import Addressed
from manyline.tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Voice:
    """The app behind a webhook that was let in."""

    platform: bool
    """It is the platform's own: it speaks for every tenant without an app secret of its own."""
    tenants: tuple[ObjectId, ...]
    """The tenants that the webhook spoke of when it came."""

    def speaks_for(self, tenant: Tenant) -> bool:
        """Whether it may say something of this tenant, as that is now."""
        return tenant.id in self.tenants or (self.platform and tenant.app_secret is None)


def voice_of(found: Addressed) -> Voice:
    """Who signed, as far as those tell that it was let in for.

    A webhook that names no tenant passes only by the platform's secret, and so does one for a
    tenant without a secret of its own.
    """
    tenants: list[Tenant] = list(found.by_number.values())
    for some in found.by_waba.values():
        tenants += some
    platform = not tenants
    for tenant in tenants:
        platform |= tenant.app_secret is None
    return Voice(platform, tuple([tenant.id for tenant in tenants]))


def heard(found: Addressed, voice: Voice) -> Addressed:
    """What is left of a webhook for those that `voice` speaks for."""
    return replace(
        found,
        by_number=_speaks(found.by_number, voice),
        by_waba={
            waba: [tenant for tenant in tenants if voice.speaks_for(tenant)]
            for waba, tenants in found.by_waba.items()
        },
    )


def _speaks(by_number: Mapping[str, Tenant], voice: Voice) -> dict[str, Tenant]:
    return {number: tenant for number, tenant in by_number.items() if voice.speaks_for(tenant)}
