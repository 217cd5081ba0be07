"""Trying an item of the quarantine again: read, routed and committed as if it came now.

What was wrong may have been put right since: a version that knows more, a number that is somebody's
by now. An item that had a tenant goes to that tenant or nowhere; one that had none goes to whom the
app that signed it may speak for.
"""

from manyline.base.clock import Clock
from manyline.inbound.addressed import address, named_in
from manyline.inbound.dating import dated
from manyline.inbound.models import Became, Quarantined, RoutedItem
from manyline.inbound.quarantine.models import Kept, Retried
from manyline.inbound.quarantine.repository import QuarantineRepository
from manyline.inbound.quarantine.wrapping import wrapped
from manyline.inbound.receive import Receiver
from manyline.inbound.routing import route
from manyline.inbound.voices import Voice, heard
from manyline.meta.webhook import MalformedWebhookError, parse
from manyline.tenants.directory import TenantDirectory

CUT = "only its beginning was kept, since it was too large; it can only be dropped"
NOBODYS = "it belongs to no tenant: the number it names is not, or no longer, the tenant's"
UNPROVEN = Voice(platform=False, tenants=())
"""Of an item from before it was noted who signed."""


class QuarantineRetry:
    """Gives items of the quarantine another chance."""

    def __init__(
        self,
        *,
        quarantine: QuarantineRepository,
        receiver: Receiver,
        directory: TenantDirectory,
        clock: Clock,
    ) -> None:
        self._quarantine = quarantine
        self._receiver = receiver
        self._directory = directory
        self._clock = clock

    async def retry(self, kept_id: bytes) -> Retried:
        """What becomes of it leaves the quarantine, or stays with the reason of now.

        Raises `NotInQuarantineError`, `OverloadedError` and `StoreUnavailableError`.
        """
        kept = await self._quarantine.get(kept_id)
        if kept.cut:
            return Retried(kept_id, Became.QUARANTINED, CUT)
        items = await self._read(kept)
        if isinstance(items, str):
            return await self._stays(kept, items)
        committed = await self._receiver.apply(items)
        became = [one.became for one in committed]
        if Became.QUARANTINED in became:
            return await self._stays(kept, "the database does not take it")
        await self._quarantine.remove(kept_id)
        return Retried(kept_id, became[0], None)

    async def _read(self, kept: Kept) -> list[RoutedItem] | str:
        """The item as it is to be committed, or why it cannot be."""
        item = kept.item
        try:
            read = [dated(one, kept.created_at) for one in parse(wrapped(item))]
        except MalformedWebhookError as error:
            return error.detail
        found = await address(read, named_in(read), self._directory)
        if item.tenant_id is None:
            found = heard(found, item.voice or UNPROVEN)
        routing = route(found, now=kept.created_at)
        if item.tenant_id is not None:
            routing = routing.of_tenant(item.tenant_id)
        for one in routing.items:
            if isinstance(one, Quarantined):
                return one.reason
        return routing.items or NOBODYS

    async def _stays(self, kept: Kept, reason: str) -> Retried:
        await self._quarantine.note_tried(kept.id, reason=reason, now=self._clock.now())
        return Retried(kept.id, Became.QUARANTINED, reason)
