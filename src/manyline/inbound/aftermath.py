"""What a `failed` status means beyond its message: as if Graph had answered the call with it."""

from datetime import timedelta

from bson import ObjectId

from manyline.inbound.models import StatusChange
from manyline.messages.models import MessageNotFoundError
from manyline.messages.repository import MessageRepository
from manyline.meta.catalogue import row_of
from manyline.sending.consequences import Consequences
from manyline.tenants.directory import TenantDirectory
from manyline.tenants.models import TenantNotFoundError

WHOLE_SECOND = timedelta(seconds=1)  # Meta tells no less.


class Aftermath:
    """Follows the errors inside `failed` statuses."""

    def __init__(
        self,
        *,
        consequences: Consequences,
        messages: MessageRepository,
        directory: TenantDirectory,
    ) -> None:
        self._consequences = consequences
        self._messages = messages
        self._directory = directory

    async def of(self, change: StatusChange) -> None:
        """Act on the change's error, unless the tenant was changed since: Meta may come late."""
        code = change.error.get("code") if change.error else None
        if not isinstance(code, int) or not Consequences.has_any(code):
            return
        try:
            tenant = await self._directory.by_id(change.tenant_id)
            customer_id = await self._customer_of(change)
        except (TenantNotFoundError, MessageNotFoundError):
            return
        if change.at + WHOLE_SECOND > tenant.updated_at:
            await self._consequences.follow(
                tenant, row_of(code), code, customer_id=customer_id, at=change.at
            )

    async def _customer_of(self, change: StatusChange) -> ObjectId:
        """A conversation goes by its customer's id."""
        if change.message_id is not None:
            message = await self._messages.get(change.tenant_id, change.message_id)
        else:
            message = await self._messages.by_wamid(change.tenant_id, change.wamid)
        return message.conversation_id
