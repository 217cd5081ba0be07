"""What an HTTP answer of Graph means: taken, refused, never sent, or not known. Never guessed."""

import json
import re
from dataclasses import dataclass
from typing import Any

from manyline.meta.errors import GraphError, graph_error
from manyline.meta.usage import Usage

_USABLE_ID = re.compile(r"[\x21-\x7e]{1,512}")


@dataclass(frozen=True, slots=True)
class Accepted:
    """Graph took the message: its wamid, and the recipient's WhatsApp id when it told."""

    wamid: str
    wa_id: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Graph answered with an error: it did not take the message."""

    error: GraphError
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """Graph cannot have taken the message.

    Either no byte of the request left this machine, or something between us and Graph turned it
    away (a redirect or a 4xx that is not Graph's).
    """

    reason: str
    turned_away: bool = False
    """Something between us and Graph did answer."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Bytes left and no answer tells what became of them: Graph may have taken the message."""

    reason: str


@dataclass(frozen=True, slots=True)
class NumberSeen:
    """Graph showed a business number to the bearer of a token: the token may use it."""

    phone_number_id: str
    display_phone_number: str | None = None
    verified_name: str | None = None
    quality_rating: str | None = None
    """`GREEN`, `YELLOW`, `RED` or `UNKNOWN`."""


Answer = Accepted | Refused | NotSent | Unknown
NumberAnswer = NumberSeen | Refused | NotSent | Unknown


def read_answer(
    status: int, body: bytes, usage: Usage | None = None, *, token: str | None = None
) -> Answer:
    """What became of a message: a message id, a Graph error, or nothing we can rely on.

    A 5xx without a Graph error body comes from something between us and Graph, which may or may
    not have passed the request on; so does a 2xx without a message id. A 3xx or 4xx without one
    was turned away before Graph. `token`: see `graph_error`.
    """
    answer = _json_object(body)
    if not 200 <= status < 300:
        return _failure(status, answer, usage, token)
    wamid = _first(answer.get("messages"), "id")
    if wamid is None:
        return Unknown(f"HTTP {status} without a message id")
    return Accepted(wamid=wamid, wa_id=_first(answer.get("contacts"), "wa_id"), usage=usage)


def read_number_answer(
    status: int,
    body: bytes,
    *,
    phone_number_id: str,
    usage: Usage | None = None,
    token: str | None = None,
) -> NumberAnswer:
    """What Graph says of a business number. `token`: see `graph_error`."""
    answer = _json_object(body)
    if not 200 <= status < 300:
        return _failure(status, answer, usage, token)
    if answer.get("id") != phone_number_id:
        return Unknown(f"HTTP {status} without the number that was asked for")
    return NumberSeen(
        phone_number_id=phone_number_id,
        display_phone_number=_words(answer.get("display_phone_number")),
        verified_name=_words(answer.get("verified_name")),
        quality_rating=_words(answer.get("quality_rating")),
    )


def _failure(
    status: int, answer: dict[str, Any], usage: Usage | None, token: str | None
) -> Refused | NotSent | Unknown:
    error = graph_error(status, answer.get("error"), token=token)
    if error is not None:
        return Refused(error, usage)
    reason = f"HTTP {status} without a Graph error"
    return Unknown(reason) if status >= 500 else NotSent(reason, turned_away=True)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _first(items: object, key: str) -> str | None:
    if isinstance(items, list) and items and isinstance(items[0], dict):
        value = items[0].get(key)
        return value if isinstance(value, str) and _USABLE_ID.fullmatch(value) else None
    return None


def _words(value: object) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return value[:200].encode("utf-8", "replace").decode()
