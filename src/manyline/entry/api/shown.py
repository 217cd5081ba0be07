"""What the API answers, as OpenAPI shows it: camelCase, times as ISO 8601 in UTC."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from manyline.conversations.models import Conversation
from manyline.customers.models import Customer
from manyline.tenants.models import (
    Tenant,
    TenantStatus,
)

Item = TypeVar("Item")


def iso(moment: datetime) -> str:
    """A time as every answer has it: UTC, whole milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[datetime, PlainSerializer(iso, return_type=str)]


class Shown(BaseModel):
    """An answer."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


class RegisteredShown(Shown):
    """The answer to a registration."""

    ok: bool = True
    tenant_id: str


class SentShown(BaseModel):
    """The answer to a send."""

    ok: bool = True
    idempotency_key: str
    messageId: str  # noqa: N815 - the seeds' answer mixes both styles


class FactShown(Shown):
    """Something that Meta told, in its own words, and when."""

    value: str
    at: Moment


class TenantShown(Shown):
    """A tenant; secrets never come back, only whether there is one."""

    tenant_id: str
    name: str
    phone_number_id: str
    waba_id: str | None
    display_phone_number: str | None
    status: TenantStatus
    paused_reason: str | None
    paused_code: Annotated[
        int | None, Field(description="Graph's code that paused it; null when a person did.")
    ]
    has_app_secret: bool
    account: Annotated[
        dict[str, FactShown],
        Field(
            description=(
                "What Meta told of the number and its account, where it told anything:"
                " verifiedName, qualityEvent, messagingLimit, review, accountEvent."
            )
        ),
    ]
    settings: dict[str, Any]
    created_at: Moment
    updated_at: Moment


class CustomerShown(Shown):
    """A customer; `waId` is missing for somebody who is known by a user id alone."""

    customer_id: str
    conversation_id: str
    wa_id: str | None
    user_id: str | None
    username: str | None
    name: str | None
    last_seen_at: Moment | None
    opted_out_at: Moment | None
    created_at: Moment


class LastMessageShown(Shown):
    """What was said last; the preview is its first 120 characters."""

    at: Moment
    direction: str
    preview: str


class ConversationShown(Shown):
    """A conversation; `unread` counts the customer's messages since `readAt`, up to 100."""

    conversation_id: str
    status: str
    customer: CustomerShown | None
    last_message: LastMessageShown
    last_inbound_at: Moment | None
    window_expires_at: Moment | None
    read_at: Moment | None
    unread: int
    assignee: str | None
    created_at: Moment


class PageShown(Shown, Generic[Item]):
    """A page of a list, newest first."""

    items: list[Item]
    next_cursor: str | None


def show_tenant(tenant: Tenant) -> TenantShown:
    """A tenant as the API answers it."""
    return TenantShown(
        tenant_id=str(tenant.id),
        name=tenant.name,
        phone_number_id=tenant.phone_number_id,
        waba_id=tenant.waba_id,
        display_phone_number=tenant.display_phone_number,
        status=tenant.status,
        paused_reason=tenant.paused_reason,
        paused_code=tenant.paused_code,
        has_app_secret=tenant.app_secret is not None,
        account={
            name: FactShown(value=told["value"], at=told["at"])
            for name, told in tenant.account.items()
            if "value" in told
        },
        settings=tenant.settings.to_document(),
        created_at=tenant.created_at,
        updated_at=tenant.updated_at,
    )


def show_customer(customer: Customer) -> CustomerShown:
    """A customer as the API answers it; the conversation goes by the customer's id."""
    return CustomerShown(
        customer_id=str(customer.id),
        conversation_id=str(customer.id),
        wa_id=customer.wa_id,
        user_id=customer.user_id,
        username=customer.username,
        name=customer.name,
        last_seen_at=customer.last_seen_at,
        opted_out_at=customer.opted_out_at,
        created_at=customer.created_at,
    )


def show_conversation(
    conversation: Conversation, customer: Customer | None, unread: int
) -> ConversationShown:
    """A conversation as the API answers it."""
    last = conversation.last_message
    return ConversationShown(
        conversation_id=str(conversation.id),
        status=conversation.status,
        customer=show_customer(customer) if customer else None,
        last_message=LastMessageShown(at=last.at, direction=last.direction, preview=last.preview),
        last_inbound_at=conversation.last_inbound_at,
        window_expires_at=conversation.window_expires_at,
        read_at=conversation.read_at,
        unread=unread,
        assignee=conversation.assignee,
        created_at=conversation.created_at,
    )
