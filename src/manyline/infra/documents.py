"""Encoding documents one by one, so that one that cannot be stored harms nobody else.

A lone surrogate, an integer over 64 bits, a NUL in a key or a depth over the server's 100
levels fails a whole insert command (measured: 0 of 3 stored). Encoded alone, before it joins a
batch, such a document fails alone.
"""

from collections.abc import Mapping
from typing import Any

import bson
from bson.dbref import DBRef
from bson.errors import InvalidDocument
from bson.raw_bson import RawBSONDocument

from manyline.base.errors import ManylineError

MAX_DEPTH = 90  # The server refuses 100; an object is nested a few levels deep in its record.
MAX_BYTES = 15 * 1024 * 1024  # The server refuses 16 MiB.


class UnstorableError(ManylineError):
    """This value has no BSON form that the server takes; the message says why."""

    code = "unstorable"


def encode_document(document: Mapping[str, Any]) -> RawBSONDocument:
    """The document's BSON bytes, ready for a batch; raises `UnstorableError`.

    Depth is not looked at: use `encode_foreign` for what came from outside.
    """
    try:
        encoded = bson.encode(document)
    except (InvalidDocument, OverflowError, UnicodeEncodeError, RecursionError, TypeError) as error:
        raise UnstorableError(f"{type(error).__name__} while encoding") from None
    if len(encoded) > MAX_BYTES:
        raise UnstorableError("larger than a MongoDB document can be")
    return RawBSONDocument(encoded)


def encode_foreign(document: Mapping[str, Any]) -> RawBSONDocument:
    """As `encode_document`, for an object that somebody else made: its depth is checked too."""
    if not is_shallow(document, MAX_DEPTH):
        raise UnstorableError(f"nested deeper than {MAX_DEPTH} levels")
    return encode_document(document)


def as_it_came(value: Any) -> Any:
    """A foreign object as it was before it was stored.

    PyMongo reads any object with the keys `$ref` and `$id` as a DBRef; here it is just an object.
    """
    if isinstance(value, DBRef):
        value = value.as_doc()
    if isinstance(value, dict):
        return {key: as_it_came(member) for key, member in value.items()}
    if isinstance(value, list):
        return [as_it_came(member) for member in value]
    return value


def is_shallow(value: object, levels: int) -> bool:
    """Whether `value` nests at most `levels` deep; looks no deeper than that."""
    if isinstance(value, dict):
        children = value.values()
    elif isinstance(value, list):
        children = value  # type: ignore[assignment]
    else:
        return True
    return levels > 0 and all(
        is_shallow(child, levels - 1) for child in children if isinstance(child, (dict, list))
    )
