"""Reading a body that nests too deeply for any reader, along the lists that hold Meta's items.

Every item is read for itself. What is nested too deeply is cut out: its JSON text stands in its
place (`Cut`), and its neighbours are read as ever. The work is bounded: past a number of steps
the rest of the body is given up, and what was read until then stands.
"""

import json
import re
from typing import Any

# What holds items or says whose they are; the members of all but these are read in one piece.
HOLDERS = frozenset(
    {"entry", "changes", "value", "messages", "statuses", "message_echoes", "state_sync"}
    | {"user_preferences", "history", "threads", "metadata", "contacts"}
)
HOLDING_OBJECTS = frozenset({"value", "metadata"})
# The lists whose members hold items again; the members of the others are items.
HOLDERS_OF_HOLDERS = frozenset({"entry", "changes", "history", "threads"})

MAX_STEPS = 60_000  # Members looked at: about 60 ms.
MAX_BRACKETS = 300_000  # Brackets matched to find the ends of what is cut out: about 80 ms.
MAX_DIGITS = 1000

_SPACE = re.compile(r"[ \t\n\r]*")
_NEXT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]+|[\]}]+', re.DOTALL)


class Cut(str):
    """The JSON text of a value that is nested too deeply to be read, in the value's place."""

    __slots__ = ()

    @property
    def raw(self) -> bytes:
        """The bytes that came."""
        return self.encode("utf-8", "surrogateescape")


def _integer(digits: str) -> int | str:
    """Python refuses to read an integer of more than 4,300 digits; its digits will do."""
    return int(digits) if len(digits) <= MAX_DIGITS else digits


DECODER = json.JSONDecoder(parse_int=_integer)


Walked = tuple[object, Cut | None]
"""What was read, and what of the body was given up, if anything was."""


def walk(text: str) -> Walked:
    """The JSON value of `text`, too deep parts cut out; raises `ValueError` when it is no JSON."""
    return _Walk(text).whole()


class _GaveUp(Exception):  # noqa: N818 - no error: it ends the walk early
    """The work is more than any webhook of Meta's could be."""


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._steps = 0
        self._brackets = 0

    def whole(self) -> Walked:
        self._skip_space()
        if self._text[self._at : self._at + 1] != "{":
            raise ValueError("no object")
        found: dict[str, Any] = {}
        try:
            self._object(found)
        except _GaveUp:
            return found, Cut(self._text[self._at :])
        self._skip_space()
        if self._at != len(self._text):
            raise ValueError("more than one value")
        return found, None

    def _object(self, into: dict[str, Any]) -> None:
        """Read an object, member by member."""
        while self._more("{", "}"):
            if self._text[self._at : self._at + 1] != '"':
                raise ValueError("a key that is no text")
            key, self._at = DECODER.raw_decode(self._text, self._at)
            self._expect(":")
            if key in HOLDERS:
                self._holder(key, into)
            else:
                into[key] = self._piece()

    def _holder(self, key: str, into: dict[str, Any]) -> None:
        opening = self._text[self._at : self._at + 1]
        if opening == "{" and key in HOLDING_OBJECTS:
            into[key] = {}
            self._object(into[key])
        elif opening == "[":
            into[key] = []
            self._list(into[key], of_holders=key in HOLDERS_OF_HOLDERS)
        else:
            into[key] = self._piece()

    def _list(self, into: list[Any], *, of_holders: bool) -> None:
        while self._more("[", "]"):
            if of_holders and self._text[self._at : self._at + 1] == "{":
                into.append({})
                self._object(into[-1])
            else:
                into.append(self._piece())

    def _piece(self) -> object:
        """One value in one piece; its text when it is nested too deeply."""
        start = self._at
        try:
            value, self._at = DECODER.raw_decode(self._text, start)
        except RecursionError:
            self._pass_brackets()
            return Cut(self._text[start : self._at])
        return value

    def _pass_brackets(self) -> None:
        """Go behind the bracket that closes the one here; what is inside is not looked at."""
        depth = 0
        for found in _NEXT.finditer(self._text, self._at):
            self._brackets += 1
            if self._brackets > MAX_BRACKETS:
                raise _GaveUp
            run = found[0]
            if run[0] in "[{":
                depth += len(run)
            elif run[0] != '"':
                depth -= len(run)
                if depth <= 0:
                    self._at = found.end() + depth
                    return
        raise ValueError("a bracket that is never closed")

    def _more(self, opening: str, closing: str) -> bool:
        """Go to the next member of the list or object; False, and behind it, when there is none."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise _GaveUp
        self._skip_space()
        mark = self._text[self._at : self._at + 1]
        if mark == closing:
            self._at += 1
            return False
        if mark not in (opening, ","):
            raise ValueError("a mark is missing between members")
        self._at += 1
        self._skip_space()
        if mark == opening and self._text[self._at : self._at + 1] == closing:
            self._at += 1
            return False
        return True

    def _expect(self, mark: str) -> None:
        self._skip_space()
        if self._text[self._at : self._at + 1] != mark:
            raise ValueError(f"{mark} is missing")
        self._at += 1
        self._skip_space()

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at
