"""What the API reads and writes, as OpenAPI shows it: camelCase, strict about unknown fields."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic.alias_generators import to_camel

from manyline.conversations.models import Conversation
from manyline.customers.models import Customer
from manyline.messages.models import Message
from manyline.messages.states import MessageStatus
from manyline.tenants.models import (
    AutoReply,
    Limits,
    Tenant,
    TenantSettings,
    TenantStatus,
)

Item = TypeVar("Item")

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
PhoneNumberId = Annotated[str, StringConstraints(pattern=r"^[0-9]{5,32}$")]
WabaId = Annotated[str, StringConstraints(pattern=r"^[0-9]{5,32}$")]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[\x21-\x7e]+$")]


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[datetime, PlainSerializer(_iso, return_type=str)]


class Given(BaseModel):
    """A request body: a field that we do not know is an error, not a silence."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, validate_by_alias=True)


class Shown(BaseModel):
    """An answer."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


class AutoReplyGiven(Given):
    """Whether and with what to answer; `<tenant.name>` in it becomes the tenant's name."""

    enabled: bool = AutoReply.enabled
    text: Annotated[str, StringConstraints(min_length=1, max_length=4096)] = AutoReply.text


class LimitsGiven(Given):
    """`messagesPerSecond`: Meta allows 80 per number, and raises it to 1,000 for some."""

    messages_per_second: Annotated[int, Field(ge=1, le=1000)] = Limits.messages_per_second


class SettingsGiven(Given):
    """A tenant's choices."""

    auto_reply: AutoReplyGiven = Field(default_factory=AutoReplyGiven)
    limits: LimitsGiven = Field(default_factory=LimitsGiven)

    def to_settings(self) -> TenantSettings:
        """The record."""
        return TenantSettings(
            auto_reply=AutoReply(enabled=self.auto_reply.enabled, text=self.auto_reply.text),
            limits=Limits(messages_per_second=self.limits.messages_per_second),
        )


class RegisterGiven(Given):
    """A new tenant. A token that begins with `mock_` simulates every send."""

    name: Name
    phone_number_id: PhoneNumberId
    access_token: Secret
    waba_id: WabaId | None = None
    app_secret: Secret | None = None
    settings: SettingsGiven = Field(default_factory=SettingsGiven)


class TenantPatch(Given):
    """A JSON Merge Patch as it looks when merged: what may be changed, each field whole."""

    name: Name
    waba_id: WabaId | None
    status: TenantStatus
    settings: SettingsGiven
    access_token: Secret | None = None
    app_secret: Secret | None = None


class SendGiven(Given):
    """A text message; `to` in international form. Its names are the seeds' own."""

    model_config = ConfigDict(extra="forbid", alias_generator=None)

    to: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    text: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    idempotency_key: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None


class ReadGiven(Given):
    """Up to when a conversation was read; without it, now."""

    read_at: AwareDatetime | None = None


class RegisteredShown(Shown):
    """The answer to a registration."""

    ok: bool = True
    tenant_id: str


class SentShown(BaseModel):
    """The answer to a send."""

    ok: bool = True
    idempotency_key: str
    messageId: str  # noqa: N815 - the seeds' answer mixes both styles


class TenantShown(Shown):
    """A tenant; secrets never come back, only whether there is one."""

    tenant_id: str
    name: str
    phone_number_id: str
    waba_id: str | None
    display_phone_number: str | None
    status: TenantStatus
    paused_reason: str | None
    has_app_secret: bool
    settings: dict[str, Any]
    created_at: Moment
    updated_at: Moment


class MessageShown(Shown):
    """A message, either way."""

    message_id: str
    conversation_id: str
    direction: str
    status: str
    type: str
    body: str
    content: dict[str, Any]
    sender: Annotated[str | None, Field(alias="from")]
    recipient: Annotated[str | None, Field(alias="to")]
    wa_message_id: str | None
    idempotency_key: str | None
    source: str
    attempts: int
    next_attempt_at: Moment | None
    status_at: dict[str, Moment]
    error: dict[str, Any] | None
    pricing: dict[str, Any] | None
    created_at: Moment


class StatusShown(Shown):
    """A message has reached a status."""

    message_id: str
    conversation_id: str
    status: str
    at: Moment | None
    wa_message_id: str | None
    error: dict[str, Any] | None


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
        has_app_secret=tenant.app_secret is not None,
        settings=tenant.settings.to_document(),
        created_at=tenant.created_at,
        updated_at=tenant.updated_at,
    )


def show_message(message: Message) -> MessageShown:
    """A message as the API answers it."""
    return MessageShown(
        message_id=str(message.id),
        conversation_id=str(message.conversation_id),
        direction=message.direction,
        status=message.status,
        type=message.type,
        body=message.body,
        content=message.content,
        sender=message.sender,
        recipient=message.recipient,
        wa_message_id=message.wamid,
        idempotency_key=message.idempotency_key,
        source=message.source,
        attempts=message.attempts,
        next_attempt_at=message.next_attempt_at,
        status_at=message.status_at,
        error=message.error,
        pricing=message.pricing,
        created_at=message.created_at,
    )


def show_status(message: Message, status: MessageStatus) -> StatusShown:
    """What is told of a message that has reached a status."""
    return StatusShown(
        message_id=str(message.id),
        conversation_id=str(message.conversation_id),
        status=status,
        at=message.status_at.get(status),
        wa_message_id=message.wamid,
        error=message.error,
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
