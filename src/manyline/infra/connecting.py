"""Connecting at start: servers that start together find each other, in any order."""

import asyncio
from collections.abc import Awaitable, Callable

from manyline.base.errors import StoreUnavailableError

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 2.0


async def keep_trying(
    attempt: Callable[[], Awaitable[None]],
    *,
    what: str,
    seconds: float,
    progress: Callable[[str], None],
    failures: type[Exception],
) -> None:
    """Repeat `attempt` with a growing wait until it passes or `seconds` are over."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + seconds
    wait = FIRST_WAIT_SECONDS
    while True:
        try:
            await attempt()
        except failures as error:
            cause = type(error.__cause__ or error).__name__
            if loop.time() + wait > give_up_at:
                raise StoreUnavailableError(
                    f"{what} did not answer within {seconds:.0f} s ({cause});"
                    " is it running, and is its address right?"
                ) from None
            progress(f"{what} does not answer yet ({cause}); trying again")
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)
        else:
            return
