"""The faults that can be asked for, as JSON: kinds, whom they strike, how often.

Two families. Call faults disturb one request to Graph; webhook faults disturb what a message
causes afterwards. `graphsim.faults` holds the rules in force and decides when one strikes.
"""

from typing import Annotated, Any, Literal

import msgspec

Point = Literal["before_accept", "after_accept"]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
WebhookKind = Literal["sent", "delivered", "read", "played", "inbound"]
ALL_WEBHOOKS: tuple[WebhookKind, ...] = ("sent", "delivered", "read", "played", "inbound")


class _Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)


class Error(_Fault, frozen=True, tag="error"):
    """Refused with a Graph error body; `status` overrides the catalogue's HTTP status."""

    code: int
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None
    details: str = "This error was asked for through the simulator's faults."


class Http(_Fault, frozen=True, tag="http"):
    """An answer that is not Graph's, as from a proxy in between."""

    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 502
    body: str = "<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"
    content_type: str = "text/html"
    point: Point = "before_accept"


class Hang(_Fault, frozen=True, tag="hang"):
    """No answer until the caller gives up."""

    point: Point = "before_accept"


class Late(_Fault, frozen=True, tag="late"):
    """Taken at once, answered `seconds` later; its statuses do not wait for the answer."""

    seconds: Seconds


class Reset(_Fault, frozen=True, tag="reset"):
    """The connection is reset (TCP RST), without a byte of an answer."""

    point: Point = "before_accept"


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


CallFault = Error | Http | Hang | Late | Reset | SlowDrip
WebhookFault = Duplicate | Shuffle | DropWebhook | EarlyStatus
WEBHOOK_FAULTS = (Duplicate, Shuffle, DropWebhook, EarlyStatus)


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
        | (EarlyStatus)
    )
    match: Match = Match()
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    seed: int = 0
    """Of the dice behind `probability` and `shuffle`: same seed, same run."""


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
