"""Children of an `up` that was killed: they still run, and are ended before new ones start."""

import asyncio
import signal
from collections.abc import Sequence

from manyline.infra.embedded.records import ProcessRecord, ProcessRecords

STORES = frozenset({"mongod", "valkey"})
GRACE_SECONDS = 6.0


async def end_orphans(records: ProcessRecords, *, grace: float = GRACE_SECONDS) -> list[str]:
    """End every recorded process that still runs; return their roles.

    Stores go last, so that the others can settle what they have under way. At most two `grace`.
    """
    running = [record for record in records.read() if record.is_running()]
    await _end([one for one in running if one.role not in STORES], grace)
    await _end([one for one in running if one.role in STORES], grace)
    for record in records.read():
        records.remove(record)
    return [one.role for one in running]


async def _end(orphans: Sequence[ProcessRecord], grace: float) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for orphan in orphans:
            orphan.signal(number)
        try:
            async with asyncio.timeout(grace):
                # Not our children any more, so nothing but looking tells that they are gone.
                while any(orphan.is_running() for orphan in orphans):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            continue
        return
