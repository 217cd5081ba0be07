"""One change of a webhook: a field, its value, and whom it is about."""

from typing import NamedTuple

from manyline.meta.webhook.items import JsonObject


class Change(NamedTuple):
    """What the readers of the single fields are given."""

    field: str
    value: JsonObject
    number: str | None
    """`metadata.phone_number_id`; never None for a field whose items belong to a number."""
    entry: JsonObject
