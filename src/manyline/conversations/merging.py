"""Two conversations that turn out to be with one person: what the one that stays becomes. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId

Document = dict[str, Any]

NEWEST = ("lastMessage", "activeHour", "lastInboundAt", "lastReceivedAt", "windowExpiresAt")


def folded(
    kept: Mapping[str, Any] | None, gone: Mapping[str, Any], *, tenant_id: ObjectId
) -> Document:
    """The update, an upsert, that gives to the conversation that stays what the other one knew.

    It is read up to where nothing that is unread in either is hidden, even if that shows a few
    messages as unread again.
    """
    newest = {field: gone[field] for field in NEWEST if field in gone}
    starts: Document = {"tenantId": tenant_id, "status": gone.get("status", "open")}
    update: Document = {"$max": newest, "$setOnInsert": starts}
    if "createdAt" in gone:
        update["$min"] = {"createdAt": gone["createdAt"]}
    read_at = _read_at(kept or {}, gone)
    if read_at is not None:
        update["$set"] = {"readAt": read_at}
    elif kept is not None and "readAt" in kept:
        update["$unset"] = {"readAt": ""}
    if "assignee" in gone and "assignee" not in (kept or {}):
        update.setdefault("$set", {})["assignee"] = gone["assignee"]
    return {operator: fields for operator, fields in update.items() if fields}


def _read_at(*both: Mapping[str, Any]) -> datetime | None:
    unread = [one.get("readAt") for one in both if _has_unread(one)]
    if not unread:
        return max((one["readAt"] for one in both if "readAt" in one), default=None)
    return None if None in unread else min(at for at in unread if at is not None)


def _has_unread(conversation: Mapping[str, Any]) -> bool:
    received_at = conversation.get("lastReceivedAt") or conversation.get("lastInboundAt")
    read_at = conversation.get("readAt")
    return received_at is not None and (read_at is None or received_at > read_at)
