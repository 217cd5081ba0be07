"""What the API reads about the ledger."""

from typing import Annotated

from pydantic import AwareDatetime, Field, StrictBool

from manyline.entry.api.given import Given
from manyline.entry.api.parameters import MAX_CURSOR_LENGTH, AnyObjectId


class ReplayGiven(Given):
    """Which webhooks to apply again: those that came from `since` on and before `until`.

    Without `until` those up to now; without `tenantId` those of every tenant.
    """

    since: AwareDatetime
    until: AwareDatetime | None = None
    tenant_id: AnyObjectId | None = None
    dry_run: StrictBool = False
    cursor: Annotated[str, Field(max_length=MAX_CURSOR_LENGTH)] | None = None
