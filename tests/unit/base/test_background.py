"""Background loops: a broken one is noticed, and stopping outlasts a swallowed cancellation."""

import asyncio

import pytest

from manyline.base.background import Background


async def forever() -> None:
    await asyncio.Event().wait()


async def test_a_loop_that_ends_is_the_broken_one() -> None:
    async def breaks() -> None:
        raise ValueError("broken")

    loops = Background()
    loops.start("fine", forever())
    loops.start("breaks", breaks())
    task = await loops.broken()
    assert task.get_name() == "breaks"
    with pytest.raises(ValueError, match="broken"):
        await task
    await loops.stop()


async def test_stop_asks_again_when_a_cancellation_was_swallowed() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    loops = Background()
    loops.start("stubborn", stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await loops.stop()
    assert swallowed == 3
