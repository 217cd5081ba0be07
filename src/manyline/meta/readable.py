"""The text of a message that a person would read, from any type of message object."""

from typing import Any

MAX_LENGTH = 4096  # A text message's own limit; longer is cut, the content keeps it whole.


def readable_text(kind: str, message: dict[str, Any]) -> str:
    """The words, the caption or the title in a Cloud API message object; '' when it has none."""
    part = message.get(kind)
    if not isinstance(part, dict):
        return ""
    if kind == "interactive":
        part = _answer_of(part)
    for key in ("body", "text", "caption", "title", "emoji", "name"):
        words = part.get(key)
        if isinstance(words, str) and words:
            return words[:MAX_LENGTH]
    return ""


def _answer_of(interactive: dict[str, Any]) -> dict[str, Any]:
    answer = interactive.get(str(interactive.get("type")))
    return answer if isinstance(answer, dict) else interactive
