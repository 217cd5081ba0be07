"""Signs of life: each process of a role says that it is there; anyone can ask who was, lately."""

from datetime import datetime, timedelta

from pymongo import ASCENDING, IndexModel

from manyline.base.clock import Clock
from manyline.infra.mongo import Collection, Database, store_errors

INDEXES = [IndexModel([("seenAt", ASCENDING)], name="expiry", expireAfterSeconds=3600)]
INTERVAL_SECONDS = 2.0
LATELY = timedelta(seconds=15)


class Heartbeats:
    """Writes and reads `heartbeats`."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._heartbeats: Collection = database["heartbeats"]
        self._clock = clock

    async def ensure_indexes(self) -> None:
        """Make the indexes; does nothing where they exist."""
        with store_errors():
            await self._heartbeats.create_indexes(INDEXES)

    async def beat(self, *, role: str, owner: str) -> None:
        """This process is alive now."""
        with store_errors():
            await self._heartbeats.update_one(
                {"_id": owner}, {"$set": {"role": role, "seenAt": self._clock.now()}}, upsert=True
            )

    async def last_seen(self, role: str) -> datetime | None:
        """When any process of a role was last seen; None when not within the last hour."""
        with store_errors():
            found = await self._heartbeats.find_one({"role": role}, sort=[("seenAt", -1)])
        return found["seenAt"] if found else None

    async def gone(self, *, owner: str) -> None:
        """This process leaves in order."""
        with store_errors():
            await self._heartbeats.delete_one({"_id": owner})
