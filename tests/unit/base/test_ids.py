"""Ids: 24 lower-case hex digits, and nothing that merely looks like them."""

import pytest
from bson import ObjectId

from manyline.base.ids import new_token, parse_object_id


def test_an_id_comes_back() -> None:
    made = ObjectId()
    assert parse_object_id(str(made)) == made


@pytest.mark.parametrize(
    "text",
    ["", "123", "g" * 24, "A" * 24, "a" * 23, "a" * 25, "a" * 24 + "\n", "٠" * 24, "a" * 12],
)
def test_anything_else_is_none(text: str) -> None:
    assert parse_object_id(text) is None


def test_made_up_names_never_repeat() -> None:
    made = {new_token("key") for _ in range(1000)}
    assert len(made) == 1000
    assert all(name.startswith("key_") for name in made)
