"""A worker that takes a job, says so on stderr, and never ends it.

Arguments: the server's port, the lock in seconds.
"""

import asyncio
import sys

from manyline.infra.redis import RedisServer
from manyline.queue.worker import WorkerShell


class Stuck:
    async def send(self, message_ids: list[str]) -> None:
        sys.stderr.write(f"{len(message_ids)}\n")
        await asyncio.Event().wait()

    async def drain(self, phone_number_id: str) -> float | None:
        raise NotImplementedError


shell = WorkerShell(
    redis=RedisServer(host="127.0.0.1", port=int(sys.argv[1])),
    handlers=Stuck(),
    lock_seconds=float(sys.argv[2]),
    check_seconds=0.2,
)
asyncio.run(shell.run())
