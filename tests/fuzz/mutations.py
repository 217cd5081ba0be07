"""Webhooks with one thing wrong in them, and the healthy messages that it must not cost.

Each mutant starts from one of the cases in tests/testdata/meta. Healthy neighbours are put beside
it - in the same list, in the same entry, in another entry - and one place is spoiled. A neighbour
is due when the spoiled place is neither one that it stands in nor one that says whose it is.
"""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

CASES = Path(__file__).parents[1] / "testdata" / "meta"
NUMBER = "111111111111111"
LISTS = ("messages", "statuses", "message_echoes", "state_sync", "user_preferences", "history")
DEPTHS = (90, 300, 990, 2_000, 10_000, 100_000)

Place = tuple[Any, ...]

# Replaced in the JSON text, since no JSON library would write them.
RAW: dict[str, bytes] = {
    '"@nan@"': b"NaN",
    '"@huge@"': b"1e999",
    '"@digits@"': b"9" * 5_000,
    '"@surrogate@"': b'"\\ud800"',
    '"@no-utf-8@"': b'"\xff\xfe\x80"',
    '"@twice@"': b'{"id": 1, "id": [2]}',
    **{f'"@deep-{depth}@"': b"[" * depth + b"]" * depth for depth in DEPTHS},
    **{f'"@deeper-{depth}@"': b'{"a":' * depth + b"0" + b"}" * depth for depth in DEPTHS},
}
VALUES: Sequence[Any] = (
    *(None, True, False, 0, -1, 1.5, 2**31, 2**53, 2**64, "", " ", "0", "text", "\x00", "é" * 300),
    *([], {}, [[]], [None], [{}], {"": {}}, {"\x00": 1}, {"$ref": "a", "$id": 1}, ["a"] * 50),
    *("w" * 5_000, {"id": {"id": {"id": []}}}, "16505551234", 16505551234, NUMBER, int(NUMBER)),
    *(raw[1:-1] for raw in RAW),
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A body, and the wamids of the messages in it that are as healthy as before."""

    body: bytes
    due: frozenset[str]


def healthy(wamid: str) -> dict[str, Any]:
    """A message that nobody could misread."""
    return {
        "from": "16505550009",
        "id": wamid,
        "timestamp": "1795176000",
        "type": "text",
        "text": {"body": f"all is well with {wamid}"},
    }


def mutant(random: Random) -> Mutant:
    """One webhook with one thing wrong in it."""
    webhook = json.loads(random.choice(_cases()).read_bytes())
    neighbours = _add_neighbours(webhook, random)
    spoiled = random.choice([place for place in _places(webhook) if place != ("entry",)])
    due = {wamid for wamid, places in neighbours.items() if not _costs(spoiled, places)}
    _spoil(webhook, spoiled, random)
    return Mutant(_written(webhook), frozenset(due))


def noise(random: Random) -> bytes:
    """A case with some bytes changed: it may be no JSON any more, so that nothing is due."""
    body = bytearray(random.choice(_cases()).read_bytes())
    for _ in range(random.randint(1, 8)):
        at = random.randrange(len(body))
        end = at + random.choice((0, 1, 1, 1, 20))
        body[at:end] = random.choice((b"", random.randbytes(1), b'"', b"{", b"]", b"\\", b"\xff"))
    return bytes(body)


def _cases() -> list[Path]:
    return sorted(CASES.glob("*.json"))


def _change(*wamids: str) -> dict[str, Any]:
    messages = [healthy(wamid) for wamid in wamids]
    value = {"metadata": {"phone_number_id": NUMBER}, "messages": messages}
    return {"field": "messages", "value": value}


def _add_neighbours(webhook: dict[str, Any], random: Random) -> dict[str, list[Place]]:
    """The places that each neighbour depends on, by its wamid; its own place comes first."""
    entries = webhook["entry"]
    entries.append({"id": "1", "changes": [_change("wamid.fuzz.entry")]})
    entries[0]["changes"].append(_change("wamid.fuzz.change"))
    change = entries[0]["changes"][0]
    at_change: Place = ("entry", 0, "changes", 0)
    if change.get("field") == "messages" and "messages" in change["value"]:
        messages = change["value"]["messages"]
        messages.insert(random.randint(0, len(messages)), healthy("wamid.fuzz.list"))
    found: dict[str, list[Place]] = {}
    for place in _places(webhook):
        if str(_at(webhook, place)).startswith("wamid.fuzz.") and place[-1] == "id":
            found[_at(webhook, place)] = [
                place[:-1],
                (*place[:4], "field"),
                (*place[:4], "value", "metadata", "phone_number_id"),
            ]
    assert ("wamid.fuzz.list" in found) == ("messages" in _at(webhook, at_change)["value"]) or (
        change.get("field") != "messages"
    )
    return found


def _costs(spoiled: Place, places: list[Place]) -> bool:
    """Whether a neighbour stands in what is spoiled, or is spoiled itself."""
    own, *others = places
    inside = spoiled[: len(own)] == own
    return inside or any(place[: len(spoiled)] == spoiled for place in (own, *others))


def _places(value: Any, here: Place = ()) -> list[Place]:
    found: list[Place] = []
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in members:
        found.append((*here, key))
        if isinstance(member, (dict, list)):
            found.extend(_places(member, (*here, key)))
    return found


def _at(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


def _spoil(webhook: dict[str, Any], place: Place, random: Random) -> None:
    holder, key = _at(webhook, place[:-1]), place[-1]
    was = holder[key]
    kind = random.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(random.choice(VALUES)))
    elif kind == 2:
        holder[key] = [was]
    elif kind == 3 and isinstance(was, str):
        holder[key] = int(was) if was.isdigit() else list(was)
    elif kind == 4 and isinstance(was, int):
        holder[key] = str(was)
    elif kind == 5 and isinstance(holder, dict):
        holder[f"{key}_"] = holder.pop(key)
    elif kind == 6 and isinstance(was, dict):
        was["spoiled"] = random.choice(VALUES)
    else:
        holder[key] = copy.deepcopy(random.choice(VALUES))


def _written(webhook: dict[str, Any]) -> bytes:
    body = json.dumps(webhook).encode()
    for mark, raw in RAW.items():
        if mark.encode() in body:
            body = body.replace(mark.encode(), raw)
    return body
