"""The knobs of a simulator: all of them can be turned while it runs.

Read at each use and never copied, so a change holds from the next request or delivery on.
"""

import re
from typing import Annotated, Any, Literal

import msgspec

StatusName = Literal["sent", "delivered", "read", "played"]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Rate = Annotated[float, msgspec.Meta(gt=0)]

SECRETS = ("app_secret", "verify_token", "bad_tokens")


class Settings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Mutable on purpose; times in seconds."""

    webhook_url: str | None = None
    """Where webhooks go. None: they are counted as discarded."""
    app_secret: str | None = None
    """Signs webhooks; None: they carry no signature."""
    verify_token: str | None = None
    """What the handshake repeats."""
    token_prefix: str | None = None
    """When set, a bearer token that does not begin with it is answered with code 190."""
    require_proof: bool = False
    """A call without `appsecret_proof` is refused (code 100). One with a proof that is not that of
    `app_secret` is refused in any case, unless there is no `app_secret`."""
    bad_tokens: set[str] = msgspec.field(default_factory=set)
    """Bearer tokens that are answered with code 190."""
    latency_seconds: Seconds = 0.0
    """Between taking or refusing a message and answering; statuses wait for the answer."""
    messages_per_second: Rate | None = None
    """Of each number, in both directions; beyond that 130429. Meta's: 80, and up to 1,000."""
    pair_seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """From one message to the next of a number to the same recipient; sooner: 131056. Meta's: 6."""
    pair_burst: Annotated[int, msgspec.Meta(ge=1)] = 45
    """So many may go to one recipient at once, borrowed from the time to come."""
    window_seconds: Seconds | None = None
    """Only templates reach a customer who has not written for so long, or ever; anything else:
    131047. Meta's: 86,400."""
    window_error: Literal["answer", "status"] = "answer"
    """Where 131047 shows: in the answer, or in a `failed` status of a message that was taken."""
    usage_percent: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """When set, every answer about a number has `X-Business-Use-Case-Usage` with so much used."""
    statuses: list[StatusName] = msgspec.field(
        default_factory=lambda: ["sent", "delivered", "read"]
    )
    status_delay: Seconds = 0.05
    """Before the first status, and from the delivery of one to the next."""
    statuses_per_post: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    """Meta puts up to 1,000 updates into one POST."""
    gather_seconds: Seconds = 0.05
    """How long a POST that is not full waits for more statuses; without meaning at one per POST."""
    webhook_concurrency: Annotated[int, msgspec.Meta(ge=1)] = 64
    """Webhook POSTs under way at once."""
    webhook_timeout: Annotated[float, msgspec.Meta(gt=0)] = 20.0
    """A webhook not answered by then is tried again."""

    def __post_init__(self) -> None:
        if self.webhook_url is not None and not re.match(r"https?://[^/?#\s]+", self.webhook_url):
            raise ValueError("webhook_url must look like http://host:port/path")

    def shown(self) -> dict[str, Any]:
        """Every knob, secrets only as whether they are set."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        for name in SECRETS:
            values[name] = bool(values[name])
        return values

    def change(self, given: Any) -> None:
        """Turn the knobs named in the JSON object `given`, all of them or none.

        Raises `msgspec.ValidationError`, whose message names the knob.
        """
        if not isinstance(given, dict):
            raise msgspec.ValidationError("Expected an object of settings")
        changed = msgspec.convert(given, Settings)
        for name in given:
            setattr(self, name, getattr(changed, name))
