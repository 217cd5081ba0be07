"""From what a webhook says to what can be stored: whose it is, when it was said, its BSON. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bson import ObjectId

from manyline.accounts.models import NewAccountEvent
from manyline.base.ids import parse_object_id
from manyline.inbound.addressed import Addressed
from manyline.inbound.models import (
    Quarantined,
    RoutedContact,
    RoutedElsewhere,
    RoutedEvent,
    RoutedItem,
    RoutedMessage,
    RoutedPreference,
    StatusChange,
)
from manyline.inbound.quarantine.setting_aside import unreadable, unstorable
from manyline.infra.documents import UnstorableError, encode_foreign
from manyline.messages.states import FROM_META
from manyline.meta.webhook import (
    AccountEvent,
    ContactSync,
    EchoMessage,
    InboundMessage,
    Item,
    JsonObject,
    PastMessage,
    PreferenceChange,
    StatusUpdate,
    Unreadable,
)
from manyline.tenants.models import Tenant

HISTORY_CONTEXT = "history_context"


@dataclass(slots=True)
class Routing:
    """A webhook's items with their tenants, in order.

    News of an account goes to each of its tenants, so there may be more of them than came.
    """

    items: list[RoutedItem] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    """Of each: which of the webhook's items it was."""
    dropped: int = 0
    """Items that are nobody's."""

    def of_tenant(self, tenant_id: ObjectId) -> "Routing":
        """Those that are one tenant's."""
        theirs = [n for n, item in enumerate(self.items) if _tenant_of(item) == tenant_id]
        return Routing([self.items[n] for n in theirs], [self.places[n] for n in theirs])


def route(addressed: Addressed, *, now: datetime) -> Routing:
    """Find every item's tenant and make it ready to store."""
    routing = Routing()
    by_number = addressed.by_number
    for place, item in enumerate(addressed.items):
        if isinstance(item, AccountEvent):
            told = list(_told_to(item, addressed, now=now))
            routing.items += told
            routing.places += [place] * len(told)
            routing.dropped += not told
            continue
        tenant = by_number.get(item.phone_number_id or "")
        if isinstance(item, InboundMessage):
            made = _message(item, tenant, now=now) if tenant is not None else None
        elif isinstance(item, StatusUpdate):
            made = _status(item, tenant, now=now) if tenant is not None else None
        elif isinstance(item, Unreadable):
            made = unreadable(item, tenant, addressed)
        else:
            made = _rarer(item, tenant, now=now) if tenant is not None else None
        if made is None:
            routing.dropped += 1
        else:
            routing.items.append(made)
            routing.places.append(place)
    return routing


def _tenant_of(item: RoutedItem) -> ObjectId | None:
    return item.tenant_id if isinstance(item, StatusChange | Quarantined) else item.tenant.id


def _message(message: InboundMessage, tenant: Tenant, *, now: datetime) -> RoutedItem:
    try:
        content = encode_foreign(message.content)
    except UnstorableError as error:
        return unstorable(message, error.detail, tenant)
    return RoutedMessage(tenant, message, _past(message.sent_at, now), content)


def _status(update: StatusUpdate, tenant: Tenant, *, now: datetime) -> StatusChange:
    return StatusChange(
        tenant_id=tenant.id,
        wamid=update.wamid,
        message_id=parse_object_id(update.opaque) if update.opaque else None,
        status=FROM_META[update.status],
        at=update.at or now,
        error=update.error,
        pricing=update.pricing,
    )


def _rarer(item: Item, tenant: Tenant, *, now: datetime) -> RoutedItem | None:
    if isinstance(item, EchoMessage | PastMessage):
        try:
            content = encode_foreign(_lasting(item))
        except UnstorableError as error:
            return unstorable(item, error.detail, tenant)
        return RoutedElsewhere(tenant, item, _past(item.sent_at, now), content)
    if isinstance(item, ContactSync):
        return RoutedContact(tenant, item, _past(item.at, now))
    if isinstance(item, PreferenceChange):
        return RoutedPreference(tenant, item, _past(item.at, now))
    return None


def _lasting(item: EchoMessage | PastMessage) -> JsonObject:
    """Its content without how far it had got: that is another at each telling of it."""
    return {key: value for key, value in item.content.items() if key != HISTORY_CONTEXT}


def _past(told: datetime | None, now: datetime) -> datetime:
    """Meta's time where there is one, and never in the future."""
    return min(told, now) if told is not None else now


def _told_to(
    event: AccountEvent, addressed: Addressed, *, now: datetime
) -> Iterator[RoutedEvent | Quarantined]:
    """The event, for each tenant that it is news to."""
    tenants = _concerned(event, addressed)
    if not tenants:
        return
    try:
        content = encode_foreign(event.content)
    except UnstorableError as error:
        for tenant in tenants:
            yield unstorable(event, error.detail, tenant)
        return
    for tenant in tenants:
        yield RoutedEvent(
            tenant,
            NewAccountEvent(
                tenant_id=tenant.id,
                field=event.field,
                kind=event.kind,
                event=event.event,
                at=_past(event.at, now),
                told_at=event.at,
                waba_id=event.waba_id,
                display_phone_number=event.display_phone_number,
                content=content,
            ),
        )


def _concerned(event: AccountEvent, addressed: Addressed) -> Sequence[Tenant]:
    """By the number that it names by id, else by account, narrowed by the number it shows."""
    if event.phone_number_id is not None:
        tenant = addressed.by_number.get(event.phone_number_id)
        return [tenant] if tenant is not None else []
    tenants = addressed.by_waba.get(event.waba_id or "", ())
    if event.display_phone_number is None:
        return tenants
    shown = {tenant.id: _digits(tenant.display_phone_number) for tenant in tenants}
    named = [one for one in tenants if shown[one.id] == event.display_phone_number]
    return named or [one for one in tenants if not shown[one.id]]


def _digits(number: str | None) -> str:
    return "".join(filter(str.isdigit, number or ""))
