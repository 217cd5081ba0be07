"""What, if anything, to answer a customer's message with. Pure: no store, no clock."""

from datetime import datetime, timedelta

from manyline.meta.payloads import MAX_TEXT_LENGTH
from manyline.meta.webhook import InboundMessage
from manyline.tenants.models import Tenant, TenantStatus

NAME_PLACEHOLDER = "<tenant.name>"

# Not messages to us but news about one, or about the customer: nobody expects an answer.
UNANSWERED_TYPES = frozenset({"reaction", "system", "edit", "revoke"})

# Meta repeats a webhook for up to 7 days; past the 24-hour window a reply would be refused, and
# "thanks for reaching us" a day late is worse than silence.
LATEST = timedelta(hours=24)


def auto_reply(tenant: Tenant, message: InboundMessage, *, now: datetime) -> str | None:
    """The text to answer with, or None for no answer."""
    choice = tenant.settings.auto_reply
    if not choice.enabled or tenant.status is TenantStatus.CLOSED:
        return None
    # What is said in a group is said to everybody there.
    if message.type in UNANSWERED_TYPES or message.group_id is not None:
        return None
    if message.sent_at is not None and now - message.sent_at > LATEST:
        return None
    return choice.text.replace(NAME_PLACEHOLDER, tenant.name)[:MAX_TEXT_LENGTH]
