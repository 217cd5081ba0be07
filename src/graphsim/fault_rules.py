"""The faults that can be asked for, as JSON: kinds, whom they strike, how often.

Two families. Call faults disturb one request to Graph; webhook faults disturb what a message
causes afterwards. `graphsim.faults` holds the rules in force and decides when one strikes.
"""

from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec

Point = Literal["before_accept", "after_accept"]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
StatusKind = Literal["sent", "delivered", "read", "played", "failed"]
WebhookKind = StatusKind | Literal["inbound"]
ALL_WEBHOOKS: tuple[WebhookKind, ...] = (
    "sent",
    "delivered",
    "read",
    "played",
    "failed",
    "inbound",
)


class _Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)


class Error(_Fault, frozen=True, tag="error"):
    """Refused with a Graph error body; what is given overrides the catalogue."""

    code: int
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None
    """Of HTTP."""
    details: str | None = None
    is_transient: bool | None = None
    subcode: int | None = None
    regain_minutes: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """With it the answer has `X-Business-Use-Case-Usage`: all is used up for so many minutes."""


class Http(_Fault, frozen=True, tag="http"):
    """An answer that is not Graph's, as from a proxy in between."""

    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 502
    body: str | None = None
    """By default a page of HTML that names the status."""
    content_type: str = "text/html"
    point: Point = "before_accept"

    @property
    def text(self) -> str:
        """The body to answer with."""
        if self.body is not None:
            return self.body
        known = self.status in set(HTTPStatus)
        phrase = HTTPStatus(self.status).phrase if known else "Error"
        title = f"<title>{self.status} {phrase}</title>"
        return f"<html><head>{title}</head><body>{phrase}</body></html>"


class Hang(_Fault, frozen=True, tag="hang"):
    """No answer until the caller gives up."""

    point: Point = "before_accept"


class Late(_Fault, frozen=True, tag="late"):
    """Taken at once, answered `seconds` later; its statuses do not wait for the answer."""

    seconds: Seconds


class Reset(_Fault, frozen=True, tag="reset"):
    """The connection is reset (TCP RST), without a byte of an answer.

    `before_read` strikes a POST of a message when its head has arrived and its body is not read:
    the journal has no entry of it, and `to` and `opaque` of the match are not known yet.
    """

    point: Point | Literal["before_read"] = "before_accept"


class SlowDrip(_Fault, frozen=True, tag="slow_drip"):
    """Taken; the answer's body comes byte by byte, `seconds` in all."""

    seconds: Seconds = 5.0


class Duplicate(_Fault, frozen=True, tag="duplicate"):
    """Each webhook is delivered `copies` times, concurrently."""

    copies: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 2
    webhooks: tuple[WebhookKind, ...] = ALL_WEBHOOKS


class Shuffle(_Fault, frozen=True, tag="shuffle"):
    """A message's statuses arrive in an order that is never the right one."""


class DropWebhook(_Fault, frozen=True, tag="drop_webhook"):
    """The webhooks named are never delivered."""

    webhooks: tuple[WebhookKind, ...] = ALL_WEBHOOKS


class EarlyStatus(_Fault, frozen=True, tag="early_status"):
    """The first status is delivered before the send's own answer is written.

    The answer waits for that delivery, but no longer than `seconds`.
    """

    seconds: Seconds = 5.0


class FailStatus(_Fault, frozen=True, tag="fail_status"):
    """Taken, and then a `failed` status with the error `code` instead of the usual ones."""

    code: int
    details: str | None = None
    after: tuple[Literal["sent", "delivered"], ...] = ()
    """Statuses that come before it."""


CallFault = Error | Http | Hang | Late | Reset | SlowDrip
WebhookFault = Duplicate | Shuffle | DropWebhook | EarlyStatus | FailStatus
WEBHOOK_FAULTS = (Duplicate, Shuffle, DropWebhook, EarlyStatus, FailStatus)


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is given must hold; nothing given matches every message."""

    phone_number_id: str | None = None
    to: str | None = None
    """The customer, in both directions; with or without `+`."""
    token: str | None = None
    opaque: str | None = None
    """The send's `biz_opaque_callback_data`."""
    path: str | None = None
    """A glob over the request's path. Without it only POSTs of messages are struck; with it every
    Graph request is looked at."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One wish. `times` counts messages (or requests) struck; None: for ever."""

    fault: (
        Error
        | Http
        | Hang
        | Late
        | Reset
        | SlowDrip
        | Duplicate
        | Shuffle
        | DropWebhook
        | EarlyStatus
        | FailStatus
    )
    match: Match = Match()
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    seed: int = 0
    """Of the dice behind `probability` and `shuffle`: same seed, same run."""

    def __post_init__(self) -> None:
        if not self.strikes_unread:
            return
        if self.match.to is not None or self.match.opaque is not None:
            raise ValueError("a reset before_read knows neither `to` nor `opaque`")

    @property
    def strikes_unread(self) -> bool:
        """Whether it strikes before the body of the request is read."""
        return isinstance(self.fault, Reset) and self.fault.point == "before_read"


def read_rules(given: Any) -> list[Rule]:
    """Rules from JSON: one or a list; `"fault": "hang"` is short for `{"kind": "hang"}`.

    Raises `msgspec.ValidationError`, whose message names the field.
    """
    rules = given if isinstance(given, list) else [given]
    return msgspec.convert([_spelled_out(rule) for rule in rules], list[Rule])


def _spelled_out(rule: Any) -> Any:
    if isinstance(rule, dict) and isinstance(rule.get("fault"), str):
        return {**rule, "fault": {"kind": rule["fault"]}}
    return rule
