"""A flush's items by what is done with them, and the people whom they name. Pure.

Each item is looked at once; its person's key is made here and used by every later stage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bson import ObjectId

from manyline.conversations.models import Turn
from manyline.customers.models import Key, Moved, Sighting, identities_of, moved
from manyline.inbound.drafts import goes_out
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
from manyline.meta.webhook import EchoMessage

REVOKED = "This message was deleted"
NOT_THE_CUSTOMERS = "system"
"""Meta's own word about a customer: nobody wrote, so no window opens."""


@dataclass(slots=True)
class Gathered:
    """The items of one flush; each comes with its place in it."""

    messages: list[tuple[int, RoutedMessage, Key]] = field(default_factory=list)
    elsewhere: list[tuple[int, RoutedElsewhere, Key]] = field(default_factory=list)
    statuses: list[tuple[int, StatusChange]] = field(default_factory=list)
    contacts: list[tuple[int, RoutedContact]] = field(default_factory=list)
    preferences: list[tuple[int, RoutedPreference, Key]] = field(default_factory=list)
    events: list[tuple[int, RoutedEvent]] = field(default_factory=list)
    quarantined: list[tuple[int, Quarantined]] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    moves: list[Moved] = field(default_factory=list)

    def turns(self, people: Mapping[Key, ObjectId], *, now: datetime) -> list[Turn]:
        """What the conversations need to know."""
        turns = [
            Turn(
                tenant_id=item.tenant.id,
                conversation_id=people[key],
                at=item.said_at,
                preview=_preview(item),
                inbound=True,
                received_at=now,
                opens_window=item.message.type != NOT_THE_CUSTOMERS,
            )
            for _, item, key in self.messages
        ]
        turns += [
            Turn(
                tenant_id=told.tenant.id,
                conversation_id=people[key],
                at=told.said_at,
                preview=_preview(told),
                inbound=not goes_out(told),
                received_at=now,
                opens_window=False,
            )
            for _, told, key in self.elsewhere
        ]
        return turns


def gather(items: Sequence[RoutedItem]) -> Gathered:
    """Sort them; the order among those of a kind stays."""
    gathered = Gathered()
    for place, item in enumerate(items):
        if isinstance(item, RoutedMessage):
            _add_message(gathered, place, item)
        elif isinstance(item, StatusChange):
            gathered.statuses.append((place, item))
        elif isinstance(item, Quarantined):
            gathered.quarantined.append((place, item))
        else:
            _add_rarer(gathered, place, item)
    return gathered


def _add_message(gathered: Gathered, place: int, item: RoutedMessage) -> None:
    message = item.message
    identities = identities_of(phone=message.sender, user_id=message.user_id)
    if (to := _moved(item)) is not None:
        gathered.moves.append(to)
        # What they left may be somebody else's by the time that Meta repeats itself.
        identities = to.new
    gathered.messages.append((place, item, (item.tenant.id, identities[0])))
    gathered.sightings.append(
        Sighting(
            tenant_id=item.tenant.id,
            identity=identities[0],
            name=message.sender_name,
            seen_at=item.said_at,
            also=identities[1:],
            username=message.username,
            parent_user_id=message.parent_user_id,
        )
    )


def _moved(item: RoutedMessage) -> Moved | None:
    """What a system message says of the customer's number or user id."""
    changed = item.message.changed
    if changed is None:
        return None
    return moved(
        item.tenant.id,
        old_phone=changed.old_phone,
        new_phone=changed.new_phone,
        old_user_id=changed.old_user_id,
        new_user_id=changed.new_user_id,
        at=item.said_at,
    )


def _add_rarer(
    gathered: Gathered,
    place: int,
    item: RoutedElsewhere | RoutedContact | RoutedPreference | RoutedEvent,
) -> None:
    if isinstance(item, RoutedElsewhere):
        message = item.message
        phone = message.recipient if isinstance(message, EchoMessage) else message.customer
        key = _told_of(gathered, item.tenant.id, phone=phone, user_id=message.user_id)
        gathered.elsewhere.append((place, item, key))
    elif isinstance(item, RoutedPreference):
        given = item.preference
        key = _told_of(gathered, item.tenant.id, phone=given.sender, user_id=given.user_id)
        gathered.preferences.append((place, item, key))
    elif isinstance(item, RoutedEvent):
        gathered.events.append((place, item))
    else:
        gathered.contacts.append((place, item))
        contact = item.contact
        if not contact.removed:
            _told_of(
                gathered,
                item.tenant.id,
                phone=contact.phone,
                user_id=contact.user_id,
                name=contact.name,
                at=item.at,
            )


def _told_of(
    gathered: Gathered,
    tenant_id: ObjectId,
    *,
    phone: str | None,
    user_id: str | None,
    name: str | None = None,
    at: datetime | None = None,
) -> Key:
    """Somebody who did not write just now."""
    identities = identities_of(phone=phone, user_id=user_id)
    gathered.sightings.append(
        Sighting(
            tenant_id=tenant_id, identity=identities[0], name=name, also=identities[1:], told_at=at
        )
    )
    return tenant_id, identities[0]


def _preview(item: RoutedMessage | RoutedElsewhere) -> str:
    return REVOKED if item.message.type == "revoke" else item.message.body
