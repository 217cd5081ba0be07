"""The text of a message that a person would read, from any type of message object."""

from typing import Any

MAX_LENGTH = 4096  # A text message's own limit; longer is cut, the content keeps it whole.
WORDS = ("body", "text", "caption", "title", "emoji", "name", "address", "filename")


def readable_text(kind: str, message: dict[str, Any]) -> str:
    """The words, the caption or the title in a Cloud API message object; '' when it has none."""
    part = message.get(kind)
    if kind == "contacts":
        return _names(part)[:MAX_LENGTH]
    if not isinstance(part, dict):
        return ""
    if kind == "interactive":
        part = _answer_of(part)
    elif kind == "edit":
        return _words_of_edit(part)
    for key in WORDS:
        words = part.get(key)
        if isinstance(words, str) and words:
            return words[:MAX_LENGTH]
    return ""


def _answer_of(interactive: dict[str, Any]) -> dict[str, Any]:
    answer = interactive.get(str(interactive.get("type")))
    return answer if isinstance(answer, dict) else interactive


def _words_of_edit(edit: dict[str, Any]) -> str:
    """What the message says from now on; an edit does not edit an edit."""
    message = edit.get("message")
    kind = message.get("type") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(kind, str) or kind == "edit":
        return ""
    return readable_text(kind, message)


def _names(cards: object) -> str:
    """The names on the contact cards."""
    names = []
    for card in cards if isinstance(cards, list) else []:
        told = card.get("name") if isinstance(card, dict) else None
        name = told.get("formatted_name") if isinstance(told, dict) else None
        if isinstance(name, str) and name:
            names.append(name)
    return ", ".join(names)
