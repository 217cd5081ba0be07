"""What the API reads: camelCase, strict about unknown fields."""

from typing import Annotated

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
)
from pydantic.alias_generators import to_camel

from manyline.tenants.models import (
    AutoReply,
    Limits,
    TenantSettings,
    TenantStatus,
)

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
PhoneNumberId = Annotated[str, StringConstraints(pattern=r"^[0-9]{5,32}$")]
WabaId = Annotated[str, StringConstraints(pattern=r"^[0-9]{5,32}$")]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[\x21-\x7e]+$")]


class Given(BaseModel):
    """A request body: a field that we do not know is an error, not a silence."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, validate_by_alias=True)


class AutoReplyGiven(Given):
    """Whether and with what to answer; `<tenant.name>` in it becomes the tenant's name."""

    enabled: StrictBool = AutoReply.enabled
    text: Annotated[str, StringConstraints(min_length=1, max_length=4096)] = AutoReply.text


class LimitsGiven(Given):
    """`messagesPerSecond`: Meta allows 80 per number, and raises it to 1,000 for some."""

    messages_per_second: Annotated[StrictInt, Field(ge=1, le=1000)] = Limits.messages_per_second


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
