"""A role that only one process plays at a time, by a lease in MongoDB."""

from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from manyline.base.clock import Clock
from manyline.infra.mongo import Collection, Database, store_errors


class SingleHolder:
    """One named role; `hold` both takes it and keeps it."""

    def __init__(
        self, database: Database, *, name: str, owner: str, term: timedelta, clock: Clock
    ) -> None:
        self._leases: Collection = database["leases"]
        self._name = name
        self._owner = owner
        self._term = term
        self._clock = clock

    async def hold(self) -> bool:
        """Take or renew the role for one term; False while somebody else has it."""
        now = self._clock.now()
        free = {"$or": [{"owner": self._owner}, {"expiresAt": {"$lt": now}}]}
        ours = {"owner": self._owner, "expiresAt": now + self._term}
        with store_errors():
            held = await self._leases.update_one({"_id": self._name, **free}, {"$set": ours})
            if held.matched_count:
                return True
            # Looked at first: a refused insert leaves 14 KB of garbage in a process that waits for
            # the role, and that is each round.
            if await self._leases.find_one({"_id": self._name}, {"_id": True}) is not None:
                return False
            try:
                await self._leases.insert_one({"_id": self._name, **ours})
            except DuplicateKeyError:
                return False
        return True

    async def release(self) -> None:
        """Let the next one take the role at once."""
        with store_errors():
            await self._leases.delete_one({"_id": self._name, "owner": self._owner})
