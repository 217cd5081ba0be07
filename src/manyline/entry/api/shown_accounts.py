"""News of accounts as the API answers it."""

from typing import Annotated, Any

from pydantic import Field

from manyline.accounts.models import AccountEntry
from manyline.entry.api.shown import Moment, Shown


class AccountEventShown(Shown):
    """One event; `content` is the webhook's `value` as it came."""

    event_id: str
    field: Annotated[str, Field(description="The webhook field, such as `account_update`.")]
    kind: Annotated[
        str,
        Field(
            description=(
                "account, business, calls, errors, groups, history, number, security, template or"
                " unsupported"
            )
        ),
    ]
    event: Annotated[str | None, Field(description="Meta's word for what happened, if any.")]
    at: Moment
    content: dict[str, Any]


def show_account_event(entry: AccountEntry) -> AccountEventShown:
    """An event as the API answers it."""
    return AccountEventShown(
        event_id=entry.id.hex(),
        field=entry.field,
        kind=entry.kind,
        event=entry.event,
        at=entry.at,
        content=entry.content,
    )
