"""What stands around messages: what was said of them since, and which ones they answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bson import ObjectId

from manyline.infra.mongo import Collection, Database, store_errors
from manyline.messages.documents import message_from
from manyline.messages.folding import NOTHING, Folded, fold
from manyline.messages.meaning import meaning_of
from manyline.messages.models import Message
from manyline.messages.repository import COLLECTION

MOST_ABOUT = 2_000
"""For one page: people react to a message a few times, and never that often."""


@dataclass(frozen=True, slots=True)
class Context:
    """Around one message."""

    folded: Folded = NOTHING
    ids: Mapping[str, ObjectId] | None = None
    """Our ids of the messages that are named by their wamids, where we have them."""

    def id_of(self, wamid: str | None) -> ObjectId | None:
        """Our id of a message that this one names."""
        return self.ids.get(wamid) if self.ids is not None and wamid is not None else None


ALONE = Context()


class MessageContexts:
    """Reads what belongs to a page of messages: at most two queries, whatever its length."""

    def __init__(self, database: Database) -> None:
        self._messages: Collection = database[COLLECTION]

    async def around(
        self, tenant_id: ObjectId, messages: Sequence[Message]
    ) -> dict[ObjectId, Context]:
        """By message id; raises `StoreUnavailableError`."""
        about = await self._about(tenant_id, [m.wamid for m in messages if m.wamid is not None])
        ids = await self._ids(tenant_id, _named_by(messages))
        return {
            message.id: Context(fold(message, about.get(message.wamid or "", ())), ids)
            for message in messages
        }

    async def _about(self, tenant_id: ObjectId, wamids: Sequence[str]) -> dict[str, list[Message]]:
        if not wamids:
            return {}
        query = {"tenantId": tenant_id, "aboutWamid": {"$in": list(wamids)}}
        about: dict[str, list[Message]] = {}
        with store_errors():
            found = self._messages.find(query, hint="about").limit(MOST_ABOUT)
            async for document in found:
                about.setdefault(document["aboutWamid"], []).append(message_from(document))
        return about

    async def _ids(self, tenant_id: ObjectId, wamids: Sequence[str]) -> dict[str, ObjectId]:
        if not wamids:
            return {}
        query = {"tenantId": tenant_id, "waMessageId": {"$in": list(wamids)}}
        with store_errors():
            found = self._messages.find(query, {"waMessageId": True}, hint="wamid")
            return {document["waMessageId"]: document["_id"] async for document in found}


def _named_by(messages: Iterable[Message]) -> list[str]:
    named: dict[str, None] = {}
    for message in messages:
        for wamid in (message.about_wamid, meaning_of(message.content).reply_to):
            if wamid is not None:
                named[wamid] = None
    return list(named)
