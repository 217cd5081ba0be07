"""What the API answers about webhooks that were kept, and about items set aside."""

from typing import Annotated, Any

from pydantic import Field

from manyline.entry.api.shown import Moment, Shown
from manyline.entry.api.shown_messages import is_none
from manyline.inbound.ledger.replaying import Replayed
from manyline.inbound.quarantine.models import Kept, Retried

BECAME = "stored, duplicate, raised, parked, noted or quarantined"


class WebhooksReplayedShown(Shown):
    """One page of a replay; `nextCursor` goes on with the next, `until` belongs to it."""

    ok: bool = True
    webhooks: int
    items: int
    came: Annotated[
        dict[str, int],
        Field(description=f"What had become of them when they came: {BECAME}, or nobody's."),
    ]
    became: Annotated[
        dict[str, int], Field(description=f"What became of them now: {BECAME}. Empty if dry.")
    ]
    unreadable: Annotated[
        int, Field(description="Webhooks that are none for this version; they are left out.")
    ]
    until: Moment
    next_cursor: str | None


class QuarantinedShown(Shown):
    """An item in the quarantine, without its JSON."""

    quarantine_id: str
    tenant_id: str | None
    phone_number_id: str | None
    reason: str
    part: Annotated[
        str | None, Field(description="The list it stood in, such as messages, or change or entry.")
    ]
    size: Annotated[int, Field(description="Bytes of its JSON.")]
    cut: Annotated[bool, Field(description="Too large: only its beginning was kept.")]
    created_at: Moment
    tried_at: Annotated[Moment | None, Field(description="When it was last tried in vain.")]


class QuarantinedWholeShown(QuarantinedShown):
    """An item in the quarantine; `raw` is its JSON as text, whether or not it makes sense."""

    raw: str


class RetriedShown(Shown):
    """What became of an item that was tried again; `quarantined`: it stays, and `reason` why."""

    quarantine_id: str
    outcome: str
    reason: Annotated[str | None, Field(exclude_if=is_none)] = None


class DroppedShown(Shown):
    """The item has left the quarantine and is gone."""

    ok: bool = True
    quarantine_id: str


def show_replayed(done: Replayed, until: Any) -> WebhooksReplayedShown:
    """A page of a replay as the API answers it."""
    return WebhooksReplayedShown(
        webhooks=done.webhooks,
        items=done.items,
        came=dict(sorted(done.came.items())),
        became={became.value: count for became, count in sorted(done.became.items())},
        unreadable=done.unreadable,
        until=until,
        next_cursor=done.next_cursor,
    )


def show_kept(kept: Kept) -> QuarantinedShown:
    """An item of a list."""
    return QuarantinedShown(**_fields(kept))


def show_whole(kept: Kept) -> QuarantinedWholeShown:
    """An item with what came."""
    return QuarantinedWholeShown(**_fields(kept), raw=kept.item.raw.decode(errors="replace"))


def show_retried(retried: Retried) -> RetriedShown:
    """What became of an item."""
    return RetriedShown(
        quarantine_id=retried.id.hex(), outcome=retried.became.value, reason=retried.reason
    )


def _fields(kept: Kept) -> dict[str, Any]:
    item = kept.item
    return {
        "quarantine_id": kept.id.hex(),
        "tenant_id": str(item.tenant_id) if item.tenant_id is not None else None,
        "phone_number_id": item.phone_number_id,
        "reason": item.reason,
        "part": item.part or None,
        "size": kept.size,
        "cut": kept.cut,
        "created_at": kept.created_at,
        "tried_at": kept.tried_at,
    }
