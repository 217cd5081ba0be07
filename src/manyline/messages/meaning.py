"""What a message's content means beside its words, read from it when it is shown. Pure.

Nothing of this is stored: `content` holds the Cloud API's object as it came, and a better reading
holds for old messages too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from manyline.infra.documents import is_shallow

JsonObject = dict[str, Any]

MAX_DEPTH = 50
"""Of a flow's answer; a form is a few levels deep."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """Each None where the message has no such thing."""

    reply_to: str | None = None
    """The wamid of the message that this one answers."""
    forwarded: bool | None = None
    referral: JsonObject | None = None
    """The ad or post that the customer came from."""
    referred_product: JsonObject | None = None
    """The product that the customer asks about."""
    interactive: JsonObject | None = None
    """The answer to a question of ours: `type` and its members; a flow's with `response`."""
    button: JsonObject | None = None
    order: JsonObject | None = None


def meaning_of(content: Mapping[str, Any]) -> Meaning:
    """Read it from a Cloud API message object of any shape."""
    context = _object(content, "context") or {}
    reply_to = context.get("id") or context.get("message_id")
    forwarded = context.get("forwarded") is True or context.get("frequently_forwarded") is True
    return Meaning(
        reply_to=reply_to if isinstance(reply_to, str) else None,
        forwarded=True if forwarded else None,
        referral=_object(content, "referral"),
        referred_product=_object(context, "referred_product"),
        interactive=_answer(_object(content, "interactive")),
        button=_object(content, "button"),
        order=_object(content, "order"),
    )


def _answer(interactive: JsonObject | None) -> JsonObject | None:
    """`{type, …}` with the members of the answer itself; None for a question that we asked."""
    if interactive is None:
        return None
    kind = interactive.get("type")
    answer = interactive.get(kind) if isinstance(kind, str) else None
    if not isinstance(answer, dict):
        return None
    shown = {"type": kind, **answer}
    written = shown.get("response_json")
    if isinstance(written, str) and (response := _decoded(written)) is not None:
        del shown["response_json"]
        shown["response"] = response
    return shown


def _decoded(written: str) -> JsonObject | None:
    """A flow's answer comes as JSON in a string; None for what cannot be shown as JSON again."""
    try:
        decoded = json.loads(written)
        if not isinstance(decoded, dict) or not is_shallow(decoded, MAX_DEPTH):
            return None
        json.dumps(decoded, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    return decoded


def _object(content: Mapping[str, Any], name: str) -> JsonObject | None:
    part = content.get(name)
    return part if isinstance(part, dict) else None
