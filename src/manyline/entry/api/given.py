"""What the API reads: camelCase, strict about unknown fields."""

from typing import Annotated, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel

from manyline.entry.api.parameters import AnyObjectId
from manyline.messages.states import MessageStatus
from manyline.messages.troubles import Troubles
from manyline.tenants.models import (
    AutoReply,
    InDoubtPolicy,
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
    """A tenant's choices.

    `inDoubtPolicy`: what becomes of a message of which nobody knows whether WhatsApp took it;
    `hold` leaves it to a person, `resend` sends it again after a wait, perhaps twice.
    `checkWindow`: whether a text is refused here when its recipient's 24-hour window is known to
    be closed.
    """

    auto_reply: AutoReplyGiven = Field(default_factory=AutoReplyGiven)
    limits: LimitsGiven = Field(default_factory=LimitsGiven)
    in_doubt_policy: InDoubtPolicy = InDoubtPolicy.HOLD
    check_window: StrictBool = True

    def to_settings(self) -> TenantSettings:
        """The record."""
        return TenantSettings(
            auto_reply=AutoReply(enabled=self.auto_reply.enabled, text=self.auto_reply.text),
            limits=Limits(messages_per_second=self.limits.messages_per_second),
            in_doubt_policy=self.in_doubt_policy,
            check_window=self.check_window,
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
    """A JSON Merge Patch as it looks when merged: what may be changed, each field whole.

    `settings: null` takes all of them away, which is to say back to the defaults.
    """

    name: Name
    waba_id: WabaId | None
    status: TenantStatus
    settings: SettingsGiven = Field(default_factory=SettingsGiven)
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


class TroubleFilterGiven(Given):
    """Which dead letters or doubts; nothing given means all of them."""

    code: Annotated[StrictInt, Field(ge=0, lt=2**31)] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class TroublesGiven(Given):
    """Either up to 100 `messageIds`, or a `filter` and how many at the most, oldest first."""

    message_ids: Annotated[list[AnyObjectId], Field(min_length=1, max_length=100)] | None = None
    filter: TroubleFilterGiven | None = None
    limit: Annotated[StrictInt, Field(ge=1, le=1000)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.message_ids is None) == (self.filter is None):
            raise ValueError("give either messageIds or filter, and not both")
        if self.message_ids is not None and self.limit is not None:
            raise ValueError("limit goes with filter; messageIds says by itself how many")
        return self

    def wanted(self, status: MessageStatus) -> Troubles:
        """The filter, or all that have this status."""
        given = self.filter or TroubleFilterGiven()
        return Troubles(status, code=given.code, since=given.since, until=given.until)
