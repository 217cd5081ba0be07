"""Who may speak for whom: a webhook counts only for tenants of the app that signed it.

A tenant with an app secret of its own is spoken for by that secret alone (and for some days by the
one before it); every other tenant by the platform's, APP_SECRET. One item under another app and
the whole webhook is refused: Meta signs an app's deliveries with that app's secret, so such a body
is forged, or a secret is wrong here.

In the usual case the platform's secret fits and nothing is parsed before. Only where it does not,
and some tenant has its own, is an unproven body read: to learn whose secrets to try.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from manyline.base.clock import Clock
from manyline.inbound.addressed import Addressed, address, named_in
from manyline.inbound.alarms import ForeignAppAlarm
from manyline.inbound.models import BadSignatureError
from manyline.meta.signature import is_well_formed, signer_of
from manyline.meta.webhook import MalformedWebhookError, parse
from manyline.observability.metrics import InboundMetrics
from manyline.tenants.app_secrets import OwnAppSecrets
from manyline.tenants.directory import TenantDirectory
from manyline.tenants.models import Tenant

MOST_NAMED = 1_000
"""Of an unproven body; Meta puts at most 1,000 updates in one."""
MOST_TRIED = 10
"""Secrets tried on an unproven body: some 20 ms for one of 3 MB."""

REFUSED = (
    "X-Hub-Signature-256 is missing or malformed, or does not fit this body under the app secret of"
    " the numbers in it; nothing was stored. Set APP_SECRET, or the tenant's appSecret where it has"
    " its own, to that of the Meta app which sends this, and let nothing on the way change the body"
)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A webhook as it came, and the secret that signed it as far as that is known."""

    body: bytes = field(repr=False)
    signature: str | None = field(repr=False)
    signer: str | None = field(default=None, repr=False)


class Trust:
    """Lets in what a live secret signs, for the tenants of that app.

    `app_secrets` are the platform's, at most two while they are changed. Without any (development
    only) everybody may speak for tenants that have no secret of their own.
    """

    def __init__(
        self,
        *,
        app_secrets: Sequence[str],
        own: OwnAppSecrets,
        directory: TenantDirectory,
        clock: Clock,
        metrics: InboundMetrics,
    ) -> None:
        self._shared = tuple(app_secrets)
        self._own = own
        self._directory = directory
        self._clock = clock
        self._metrics = metrics
        self._alarm = ForeignAppAlarm(clock)

    async def admit(self, body: bytes, signature: str | None) -> Addressed:
        """What the webhook holds, for tenants it may speak for.

        `signature` is None unless exactly one came. Raises `BadSignatureError` (the same words
        whatever was wrong), `MalformedWebhookError` for what is proven and no webhook,
        `VaultError` where a tenant's own secret does not open, and `StoreUnavailableError`.
        """
        signer = signer_of(body, signature, self._shared)
        if signer is None and self._shared:
            return await self._admit_own(_Claim(body, signature))
        items = parse(body)
        found = await address(items, named_in(items), self._directory)
        if found.by_waba or _any_own_app(found.by_number.values()):
            return await self._judge(_Claim(body, signature, signer), found)
        return found

    async def _admit_own(self, claim: _Claim) -> Addressed:
        """A body that the platform's secrets do not sign: some tenant's own must, for it all."""
        if not is_well_formed(claim.signature) or not await self._directory.any_own_app():
            raise self._refusal()
        try:
            items = parse(claim.body)
        except MalformedWebhookError:
            raise self._refusal() from None
        named = named_in(items)
        if len(named.numbers) + len(named.wabas) > MOST_NAMED:
            raise self._refusal()
        # Who sends what nobody signed must not fill the directory's memory with strangers.
        found = await address(items, named, self._directory, remember_strangers=False)
        return await self._judge(claim, found)

    async def _judge(self, claim: _Claim, found: Addressed) -> Addressed:
        """What is left for those that the signer speaks for; refuses all for one number amiss."""
        if claim.signer is None and claim.signature is not None:
            claim = replace(claim, signer=await self._own_signer(claim, found))
        strangers = [t for t in found.by_number.values() if not await self._speaks_for(claim, t)]
        by_waba = {
            waba: [tenant for tenant in tenants if await self._speaks_for(claim, tenant)]
            for waba, tenants in found.by_waba.items()
        }
        # An account may be subscribed by several apps, and each is told: it is for its tenants.
        strangers += _nobody_of(found.by_waba, by_waba)
        if strangers:
            raise await self._foreign(claim, found, strangers)
        if self._shared and claim.signer is None:
            raise self._refusal()
        return Addressed(found.items, found.by_number, by_waba)

    async def _own_signer(self, claim: _Claim, found: Addressed) -> str | None:
        """Which of the named tenants' own secrets signed; the first few are tried."""
        candidates: dict[str, None] = {}
        for tenant in _all(found):
            if len(candidates) >= MOST_TRIED:
                break
            candidates |= dict.fromkeys(await self._own.live(tenant, now=self._clock.now()))
        return signer_of(claim.body, claim.signature, list(candidates)[:MOST_TRIED])

    async def _speaks_for(self, claim: _Claim, tenant: Tenant) -> bool:
        if tenant.app_secret is None:
            return not self._shared or claim.signer in self._shared
        if claim.signer is None:
            return False
        return claim.signer in await self._own.live(tenant, now=self._clock.now())

    async def _foreign(
        self, claim: _Claim, found: Addressed, strangers: Sequence[Tenant]
    ) -> BadSignatureError:
        """Tell of a signature that is none of theirs; what carries none is only counted."""
        if is_well_formed(claim.signature):
            named = list(_all(found))
            speaks_for = [tenant for tenant in named if await self._speaks_for(claim, tenant)]
            self._metrics.foreign.inc()
            self._alarm.raise_for(
                strangers,
                signed_for=speaks_for,
                by_platform=claim.signer is not None and claim.signer in self._shared,
            )
        return self._refusal()

    def _refusal(self) -> BadSignatureError:
        self._metrics.refused.inc()
        return BadSignatureError(REFUSED)


def _any_own_app(tenants: Iterable[Tenant]) -> bool:
    """A plain loop: it runs for every webhook, and a generator costs three times as much."""
    for tenant in tenants:  # noqa: SIM110
        if tenant.app_secret is not None:
            return True
    return False


def _all(found: Addressed) -> Iterable[Tenant]:
    yield from found.by_number.values()
    for tenants in found.by_waba.values():
        yield from tenants


def _nobody_of(
    found: Mapping[str, Sequence[Tenant]], left: Mapping[str, Sequence[Tenant]]
) -> list[Tenant]:
    """The tenants of accounts for none of whose tenants the signer speaks."""
    return [tenant for waba, tenants in found.items() if not left[waba] for tenant in tenants]
