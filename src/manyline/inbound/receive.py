"""The way in, first half: from raw bytes to items that can be stored.

verify -> parse -> route -> encode -> commit (see `commit`) -> wake. Nothing is stored before the
whole body was looked at, and nothing is woken before it is durable.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from manyline.base.clock import Clock
from manyline.base.ids import parse_object_id
from manyline.inbound.commit import InboundCommit
from manyline.inbound.models import (
    BadSignatureError,
    Committed,
    Quarantined,
    RoutedItem,
    RoutedMessage,
    StatusChange,
)
from manyline.infra.documents import UnstorableError, encode_foreign
from manyline.messages.states import FROM_META
from manyline.meta.signature import is_signed
from manyline.meta.webhook import InboundMessage, Item, StatusUpdate, Unreadable, parse
from manyline.observability.metrics import InboundMetrics
from manyline.sending.wakes import Wakes
from manyline.tenants.directory import TenantDirectory
from manyline.tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a webhook held, by what became of it."""

    items: int
    dropped: int


class Receiver:
    """Takes a webhook whole: when `receive` returns, it is durable."""

    def __init__(
        self,
        *,
        app_secret: str | None,
        directory: TenantDirectory,
        commit: InboundCommit,
        wakes: Wakes,
        clock: Clock,
        metrics: InboundMetrics,
    ) -> None:
        self._app_secret = app_secret
        self._directory = directory
        self._commit = commit
        self._wakes = wakes
        self._clock = clock
        self._metrics = metrics

    async def receive(self, body: bytes, signature: str | None) -> Receipt:
        """Verify, read, store and answer for one webhook.

        Raises `BadSignatureError`, `MalformedWebhookError`, `OverloadedError` and
        `StoreUnavailableError`; after any of them Meta comes again, and repeating is harmless.
        """
        if self._app_secret is not None and not is_signed(body, signature, [self._app_secret]):
            self._metrics.refused.inc()
            raise BadSignatureError(
                "X-Hub-Signature-256 is missing or does not fit this body and APP_SECRET"
            )
        items = parse(body)
        tenants = await self._directory.by_numbers(
            {item.phone_number_id for item in items if item.phone_number_id is not None}
        )
        routed = [made for item in items if (made := self._route(item, tenants)) is not None]
        committed = await self._commit.store(routed)
        self._wake(routed, committed)
        self._metrics.count(items=len(items), dropped=len(items) - len(routed))
        return Receipt(items=len(items), dropped=len(items) - len(routed))

    def _wake(self, routed: Sequence[RoutedItem], committed: Sequence[Committed]) -> None:
        """Wake the new replies; nothing here waits for Redis."""
        self._wakes.wake(
            (str(outcome.reply_id), item.tenant.phone_number_id)
            for item, outcome in zip(routed, committed, strict=True)
            if outcome.reply_id is not None and isinstance(item, RoutedMessage)
        )

    def _route(self, item: Item, tenants: dict[str, Tenant]) -> RoutedItem | None:
        """The item with its tenant, ready to store; None for a number that is nobody's."""
        tenant = tenants.get(item.phone_number_id or "")
        if isinstance(item, Unreadable):
            return _quarantined(item.item, item.phone_number_id, item.reason, tenant)
        if tenant is None:
            return None
        if isinstance(item, StatusUpdate):
            return _status_change(item, tenant, now=self._clock.now())
        return _encoded(item, tenant, now=self._clock.now())


def _encoded(message: InboundMessage, tenant: Tenant, *, now: datetime) -> RoutedItem:
    try:
        content = encode_foreign(message.content)
    except UnstorableError as error:
        return _quarantined(message.content, message.phone_number_id, error.detail, tenant)
    said_at = min(message.sent_at or now, now)
    return RoutedMessage(tenant=tenant, message=message, said_at=said_at, content=content)


def _status_change(update: StatusUpdate, tenant: Tenant, *, now: datetime) -> StatusChange:
    return StatusChange(
        tenant_id=tenant.id,
        wamid=update.wamid,
        message_id=parse_object_id(update.opaque) if update.opaque else None,
        status=FROM_META[update.status],
        at=update.at or now,
        error=update.error,
        pricing=update.pricing,
    )


def _quarantined(
    item: object, phone_number_id: str | None, reason: str, tenant: Tenant | None
) -> Quarantined:
    try:
        raw = json.dumps(item).encode()
    except (ValueError, RecursionError):
        raw = b""
    return Quarantined(
        tenant_id=tenant.id if tenant else None,
        phone_number_id=phone_number_id,
        reason=reason,
        raw=raw,
    )
