"""What the database holds, read past the API: every message, and whether all is at rest."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo.errors import PyMongoError

from graphsim.simulator import Simulator
from tests.e2e.proof.stage import Stage, log_tails

REST_SECONDS = 60.0


@dataclass(frozen=True)
class Stored:
    """A message as it lies in the store."""

    id: str
    tenant_id: str
    direction: str
    status: str
    body: str
    wamid: str | None
    key: str | None
    recipient: str | None
    claimed_at: datetime | None
    error: dict[str, Any] | None
    attempts: int = 0
    doubted_at: datetime | None = None
    lease_owner: str | None = None
    """Of the last claim, while that may still come back with an answer."""
    history: tuple[dict[str, Any], ...] = ()

    def __str__(self) -> str:
        parts = [self.direction, self.id, self.status, f"wamid={self.wamid}", f"key={self.key}"]
        if self.claimed_at:
            parts.append(f"claimed={self.claimed_at:%H:%M:%S.%f}"[:-3])
        if self.error:
            parts.append(f"error={self.error.get('title')}")
        return " ".join(parts)


async def read_messages(stage: Stage) -> list[Stored]:
    """Every message of every tenant."""
    async with stage.mongo() as client:
        found = client.get_default_database()["messages"].find().sort("seq", 1)
        return [_stored(document) async for document in found]


async def at_rest(stage: Stage, *, seconds: float = REST_SECONDS) -> list[Stored]:
    """Wait until nothing waits: no message unsettled, no status unheard. All messages, then."""
    deadline = time.monotonic() + seconds
    async with stage.mongo() as client:
        database = client.get_default_database()
        while found := await unrest(stage.simulator, database):
            assert time.monotonic() < deadline, await _explained(stage, found)
            await asyncio.sleep(0.1)
    return await read_messages(stage)


async def unrest(simulator: Simulator, database: Any) -> str:
    """What is not at rest; empty when all is."""
    heard = simulator.webhooks
    if heard.pending:
        return f"{heard.pending} statuses wait to be heard (last failure {heard.last_failure})"
    try:
        unsettled = await database["messages"].count_documents({"dueAt": {"$exists": True}})
        parked = await database["parked_statuses"].count_documents({})
    except PyMongoError as error:
        return f"the store does not answer ({type(error).__name__})"
    return f"{unsettled} messages unsettled, {parked} statuses parked" if unsettled + parked else ""


async def _explained(stage: Stage, unrest: str) -> str:
    messages = [one for one in await read_messages(stage) if one.direction == "OUT"]
    states = Counter(one.status for one in messages)
    waiting = [str(one) for one in messages if one.status in {"queued", "sending"}][:20]
    return "\n".join([f"not at rest: {unrest}; {dict(states)}", *waiting, log_tails(stage.up)])


def _stored(document: dict[str, Any]) -> Stored:
    return Stored(
        id=str(document["_id"]),
        tenant_id=str(document["tenantId"]),
        direction=document["direction"],
        status=document["status"],
        body=document["body"],
        wamid=document.get("waMessageId"),
        key=document.get("idempotencyKey"),
        recipient=document.get("to"),
        claimed_at=document["statusAt"].get("sending"),
        error=document.get("error"),
        attempts=document.get("attempts", 0),
        doubted_at=document["statusAt"].get("in_doubt"),
        lease_owner=document.get("lease", {}).get("owner"),
        history=tuple(document.get("history", ())),
    )
