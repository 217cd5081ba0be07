"""Identifiers: MongoDB's ObjectIds inside, their 24 hex digits outside."""

import re
import secrets

from bson import ObjectId

_OBJECT_ID = re.compile(r"[0-9a-f]{24}")


def parse_object_id(text: str) -> ObjectId | None:
    """The id that `text` spells in 24 lower-case hex digits, or None."""
    return ObjectId(text) if _OBJECT_ID.fullmatch(text) else None


def new_token(prefix: str) -> str:
    """A short random name such as `req_8kX…`, for requests, workers and made-up keys."""
    return f"{prefix}_{secrets.token_urlsafe(12)}"
