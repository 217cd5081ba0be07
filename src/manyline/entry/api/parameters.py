"""Parameters that several routes share."""

from typing import Annotated

from bson import ObjectId
from fastapi import Header, Path, Query
from pydantic import PlainValidator, WithJsonSchema

from manyline.base.ids import parse_object_id

MAX_CURSOR_LENGTH = 64


def _object_id(value: object) -> ObjectId:
    found = parse_object_id(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("not an id; ids are 24 lower-case hexadecimal digits")
    return found


_AnyObjectId = Annotated[
    ObjectId,
    PlainValidator(_object_id),
    WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{24}$"}),
]

TenantId = Annotated[_AnyObjectId, Path(alias="tenantId")]
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=256)
]
MessageId = Annotated[_AnyObjectId, Path(alias="messageId")]
ConversationId = Annotated[_AnyObjectId, Path(alias="conversationId")]
Limit = Annotated[int, Query(ge=1, le=100, description="How many items at the most.")]
Cursor = Annotated[
    str | None,
    Query(max_length=MAX_CURSOR_LENGTH, description="`nextCursor` of the page before."),
]
