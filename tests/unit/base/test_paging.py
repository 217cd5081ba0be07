"""Cursors: what we made comes back, what we did not make is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyline.base.paging import BadCursorError, decode_cursor, encode_cursor


@given(st.binary(min_size=8, max_size=8))
def test_a_position_survives_as_unpadded_base64url(position: bytes) -> None:
    cursor = encode_cursor(position)
    assert "=" not in cursor
    assert "+" not in cursor
    assert "/" not in cursor
    assert decode_cursor(cursor, size=8) == position


@pytest.mark.parametrize(
    "cursor",
    ["", "a", "abc", "not a cursor", "AAAAAAAAAAA!", "é" * 11, "\ud800", "=" * 11, "A" * 16, "A\n"],
)
def test_what_is_not_ours_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursorError):
        decode_cursor(cursor, size=8)


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(BadCursorError):
        decode_cursor(encode_cursor(b"x" * 12), size=8)


@given(st.text(max_size=80))
def test_no_text_breaks_it(cursor: str) -> None:
    try:
        assert len(decode_cursor(cursor, size=8)) == 8
    except BadCursorError:
        pass
