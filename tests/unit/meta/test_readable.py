"""The words of a message, whatever its shape; never more than fits, never an error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyline.meta.readable import MAX_LENGTH, readable_text


@pytest.mark.parametrize(
    ("kind", "message", "words"),
    [
        ("text", {"text": {"body": "hi"}}, "hi"),
        ("text", {"text": {"body": ""}}, ""),
        ("text", {"text": {"body": 7}}, ""),
        ("text", {"text": "hi"}, ""),
        ("text", {}, ""),
        ("image", {"image": {"caption": "look", "id": "1"}}, "look"),
        ("interactive", {"interactive": {"type": []}}, ""),
        ("interactive", {"interactive": {"type": "list_reply"}}, ""),
        ("interactive", {"interactive": {"type": "button_reply", "button_reply": 3}}, ""),
        ("hologram", {"hologram": {"title": "wow"}}, "wow"),
        ("document", {"document": {"filename": "terms.pdf"}}, "terms.pdf"),
        ("location", {"location": {"latitude": 1, "address": "1 Main St"}}, "1 Main St"),
        ("edit", {"edit": {"message": {"type": "text", "text": {"body": "now"}}}}, "now"),
        ("edit", {"edit": {"message": {"type": "edit", "edit": {}}}}, ""),
        ("edit", {"edit": {"message": {"type": ["text"]}}}, ""),
        ("edit", {"edit": {"message": "now"}}, ""),
        ("contacts", {"contacts": [{"name": {"formatted_name": "A"}}, 7, {"name": 7}]}, "A"),
        ("contacts", {"contacts": [{"name": {"formatted_name": n}} for n in "AB"]}, "A, B"),
        ("contacts", {"contacts": {"name": "A"}}, ""),
    ],
)
def test_words(kind: str, message: dict[str, Any], words: str) -> None:
    assert readable_text(kind, message) == words


def test_a_text_too_long_is_cut() -> None:
    assert readable_text("text", {"text": {"body": "x" * 70_000}}) == "x" * MAX_LENGTH


KEYS = st.sampled_from(["type", "body", "text", "title", "interactive", "name", "x"])
ANYTHING = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=5,
)


@given(KEYS, st.dictionaries(KEYS, ANYTHING, max_size=3))
def test_nothing_makes_it_raise(kind: str, message: dict[str, Any]) -> None:
    assert len(readable_text(kind, message)) <= MAX_LENGTH
