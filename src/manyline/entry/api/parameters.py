"""Parameters that several routes share."""

from typing import Annotated

from bson import ObjectId
from fastapi import Header, Path, Query
from pydantic import AwareDatetime, PlainValidator, WithJsonSchema

from manyline.base.ids import parse_object_id

MAX_CURSOR_LENGTH = 64


def _object_id(value: object) -> ObjectId:
    found = parse_object_id(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("not an id; ids are 24 lower-case hexadecimal digits")
    return found


AnyObjectId = Annotated[
    ObjectId,
    PlainValidator(_object_id),
    WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{24}$"}),
]

TenantId = Annotated[AnyObjectId, Path(alias="tenantId")]
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=256)
]
MessageId = Annotated[AnyObjectId, Path(alias="messageId")]
ConversationId = Annotated[AnyObjectId, Path(alias="conversationId")]
Limit = Annotated[int, Query(ge=1, le=100, description="How many items at the most.")]
Cursor = Annotated[
    str | None,
    Query(max_length=MAX_CURSOR_LENGTH, description="`nextCursor` of the page before."),
]
GraphCode = Annotated[
    int | None, Query(ge=0, lt=2**31, description="Only those with this error code of Graph's.")
]
Since = Annotated[
    AwareDatetime | None,
    Query(description="Only trouble that began then or later; ISO 8601 with a time zone."),
]
Until = Annotated[
    AwareDatetime | None,
    Query(description="Only trouble that began before then; ISO 8601 with a time zone."),
]
