"""Pages of a list: newest first, an opaque cursor to go on from."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from manyline.base.errors import ManylineError

Record = TypeVar("Record")


class BadCursorError(ManylineError):
    """The cursor was not made by this API; start again without one."""

    code = "bad_cursor"


@dataclass(frozen=True, slots=True)
class Page(Generic[Record]):
    """`items`, and the cursor of the next page or None on the last one."""

    items: Sequence[Record]
    next_cursor: str | None


def encode_cursor(position: bytes) -> str:
    """A position as unpadded base64url."""
    return base64.urlsafe_b64encode(position).rstrip(b"=").decode()


def decode_cursor(cursor: str, *, size: int) -> bytes:
    """The `size` bytes that a cursor stands for; raises `BadCursorError`."""
    try:
        position = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        position = b""
    if len(position) != size:
        raise BadCursorError("this cursor is not one of ours; ask for the list without a cursor")
    return position
