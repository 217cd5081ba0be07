"""Loops that run beside a process' main work, started in order and stopped in reverse."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Background:
    """Named tasks; a loop that ends by itself, with an error or not, ends `broken`."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self, name: str, loop: Coroutine[Any, Any, Any]) -> None:
        """Run a loop until `stop`."""
        self._tasks.append(asyncio.create_task(loop, name=name))

    async def broken(self) -> asyncio.Task[Any]:
        """Wait until any loop ends by itself, and answer its task."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop()

    async def stop(self) -> None:
        """Cancel every loop, the last started first, and wait for each.

        Asks more than once: PyMongo turns a cancellation that meets it in mid-call into an
        error of its own, which a loop takes for a store that is away.
        """
        for task in reversed(self._tasks):
            while not task.done():
                task.cancel()
                await asyncio.wait([task], timeout=0.2)
        self._tasks.clear()
