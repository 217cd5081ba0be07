"""Group commit: what waits goes together, each gets its own outcome, errors stay in their flush."""

import asyncio
from collections.abc import Sequence

import pytest

from manyline.base.batching import GroupCommit, OverloadedError


class Store:
    """Answers each item doubled; can be held shut, and fails for an item named."""

    def __init__(self) -> None:
        self.flushes: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.refused: int | None = None

    async def flush(self, items: Sequence[int]) -> list[int]:
        self.flushes.append(list(items))
        await self.open.wait()
        if self.refused in items:
            raise ConnectionError("away")
        return [item * 2 for item in items]


async def under_way(store: Store, flushes: int = 1) -> None:
    async with asyncio.timeout(2):
        while len(store.flushes) < flushes:
            await asyncio.sleep(0)


async def test_an_idle_group_flushes_at_once_and_alone() -> None:
    store = Store()
    group = GroupCommit(store.flush)
    assert await group.submit([1]) == [2]
    assert await group.submit([2, 3]) == [4, 6]
    assert store.flushes == [[1], [2, 3]]


async def test_whatever_waits_while_a_flush_runs_shares_the_next_one() -> None:
    store = Store()
    store.open.clear()
    group = GroupCommit(store.flush)
    first = asyncio.create_task(group.submit([0]))
    await under_way(store)
    others = [asyncio.create_task(group.submit([n, n + 100])) for n in range(1, 21)]
    await asyncio.sleep(0)
    assert group.waiting == 40
    store.open.set()

    assert await first == [0]
    assert [await other for other in others] == [[2 * n, 2 * n + 200] for n in range(1, 21)]
    assert len(store.flushes) == 2
    assert group.waiting == 0


async def test_a_submission_is_never_split_and_order_is_kept() -> None:
    store = Store()
    store.open.clear()
    group = GroupCommit(store.flush, flush_items=5)
    first = asyncio.create_task(group.submit([0]))
    await under_way(store)
    sizes = [3, 3, 2, 9, 1]
    submissions = [list(range(10 * at, 10 * at + size)) for at, size in enumerate(sizes, 1)]
    others = [asyncio.create_task(group.submit(items)) for items in submissions]
    await asyncio.sleep(0)
    store.open.set()

    await asyncio.gather(first, *others)
    assert store.flushes[1:] == [
        submissions[0],
        submissions[1] + submissions[2],
        submissions[3],
        submissions[4],
    ]
    for other, items in zip(others, submissions, strict=True):
        assert other.result() == [2 * item for item in items]


async def test_a_failed_flush_fails_all_of_its_own_and_nobody_else() -> None:
    store = Store()
    store.open.clear()
    group = GroupCommit(store.flush)
    first = asyncio.create_task(group.submit([0]))
    await under_way(store)
    together = [asyncio.create_task(group.submit([n])) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    store.refused = 2
    store.open.set()
    assert await first == [0]
    results = await asyncio.gather(*together, return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError] * 3
    assert await group.submit([4]) == [8]


async def test_too_much_waiting_is_refused_at_once() -> None:
    store = Store()
    store.open.clear()
    group = GroupCommit(store.flush, waiting_items=10)
    running = asyncio.create_task(group.submit([0]))
    await under_way(store)
    waiting = asyncio.create_task(group.submit(list(range(8))))
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await group.submit([1, 2, 3])
    also = asyncio.create_task(group.submit([1, 2]))
    store.open.set()
    await asyncio.gather(running, waiting, also)
    assert OverloadedError.retryable


async def test_a_submission_larger_than_the_bound_passes_when_nothing_waits() -> None:
    store = Store()
    group = GroupCommit(store.flush, flush_items=5, waiting_items=10)
    assert await group.submit(list(range(1000))) == [2 * n for n in range(1000)]


async def test_nothing_to_store_is_no_flush() -> None:
    store = Store()
    assert await GroupCommit(store.flush).submit([]) == []
    assert store.flushes == []


async def test_a_caller_that_goes_away_takes_nobody_with_it() -> None:
    store = Store()
    store.open.clear()
    group = GroupCommit(store.flush)
    first = asyncio.create_task(group.submit([0]))
    await under_way(store)
    leaver, stayer = (asyncio.create_task(group.submit([n])) for n in (1, 2))
    await asyncio.sleep(0)
    leaver.cancel()
    store.open.set()
    assert await stayer == [4]
    assert await first == [0]
    with pytest.raises(asyncio.CancelledError):
        await leaver
    # Handed in is handed in: who left may find it stored.
    assert store.flushes == [[0], [1, 2]]


async def test_drained_waits_for_all_that_was_handed_in() -> None:
    store = Store()
    store.open.clear()
    group = GroupCommit(store.flush, flush_items=1)
    tasks = [asyncio.create_task(group.submit([n])) for n in range(5)]
    await under_way(store)
    drained = asyncio.create_task(group.drained())
    await asyncio.sleep(0)
    assert not drained.done()
    store.open.set()
    await drained
    assert store.flushes == [[n] for n in range(5)]
    await asyncio.gather(*tasks)


async def test_another_flush_begins_beside_the_first_when_it_is_worth_it() -> None:
    store = Store()
    store.open.clear()
    group = GroupCommit(store.flush, flushes=2, worth_another=3)
    tasks = [asyncio.create_task(group.submit([0]))]
    await under_way(store)
    tasks += [asyncio.create_task(group.submit([n])) for n in (1, 2)]
    await asyncio.sleep(0)
    assert (store.flushes, group.waiting) == ([[0]], 2)
    tasks.append(asyncio.create_task(group.submit([3])))
    await under_way(store, flushes=2)
    tasks += [asyncio.create_task(group.submit([n])) for n in range(4, 9)]
    await asyncio.sleep(0)
    assert (store.flushes, group.waiting) == ([[0], [1, 2, 3]], 5)
    store.open.set()
    assert await asyncio.gather(*tasks) == [[2 * n] for n in range(9)]
    assert store.flushes == [[0], [1, 2, 3], [4, 5, 6, 7, 8]]


async def test_a_submission_in_the_step_in_which_a_flush_ends_is_flushed() -> None:
    store = Store()
    group = GroupCommit(store.flush)

    async def caller() -> None:
        for n in range(50):
            assert await group.submit([n]) == [2 * n]

    async with asyncio.timeout(2):
        await asyncio.gather(*(caller() for _ in range(3)))
    assert sum(map(len, store.flushes)) == 150


async def test_stopped_leaves_nobody_waiting() -> None:
    store = Store()
    store.open.clear()
    group = GroupCommit(store.flush, flush_items=1)
    tasks = [asyncio.create_task(group.submit([n])) for n in range(3)]
    await under_way(store)
    async with asyncio.timeout(2):
        await group.stop()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError] * 3
    assert (store.flushes, group.waiting) == ([[0]], 0)
    store.open.set()
    with pytest.raises(asyncio.CancelledError):
        await group.submit([4])


async def test_flushes_that_are_kept_apart_gather_what_comes_between() -> None:
    store = Store()
    group = GroupCommit(store.flush, apart=0.3, enough=4)
    assert await group.submit([1]) == [2]
    others = []
    for n in (2, 3, 4):
        others.append(asyncio.create_task(group.submit([n])))
        await asyncio.sleep(0)
    assert store.flushes == [[1]]
    assert [await other for other in others] == [[4], [6], [8]]
    assert store.flushes == [[1], [2, 3, 4]]


async def test_who_waits_for_the_time_of_the_next_flush_can_be_stopped() -> None:
    store = Store()
    group = GroupCommit(store.flush, apart=3600, enough=2)
    await group.submit([1])
    waiting = asyncio.create_task(group.submit([2]))
    await asyncio.sleep(0)
    await group.stop()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert store.flushes == [[1]]


async def test_when_enough_wait_nobody_waits_for_the_time() -> None:
    store = Store()
    group = GroupCommit(store.flush, apart=3600, enough=3)
    await group.submit([1])
    others = [asyncio.create_task(group.submit([n])) for n in (2, 3)]
    await asyncio.sleep(0)
    assert store.flushes == [[1]]
    async with asyncio.timeout(5):
        assert await group.submit([4]) == [8]
    assert [await other for other in others] == [[4], [6]]
    assert store.flushes == [[1], [2, 3, 4]]


async def test_nobody_is_kept_apart_from_a_flush_that_had_no_company() -> None:
    store = Store()
    group = GroupCommit(store.flush, apart=3600, enough=4, company=2)
    async with asyncio.timeout(5):
        assert [await group.submit([n, n]) for n in (1, 2, 3)] == [[2, 2], [4, 4], [6, 6]]
        await asyncio.gather(group.submit([4]), group.submit([5]))
    waiting = asyncio.create_task(group.submit([6]))
    await asyncio.sleep(0.01)
    assert store.flushes == [[1, 1], [2, 2], [3, 3], [4, 5]]
    await group.stop()
    await asyncio.wait([waiting])


async def test_of_two_that_waited_for_their_time_the_one_that_finds_nothing_flushes_nothing() -> (
    None
):
    store = Store()
    group = GroupCommit(store.flush, flushes=2, apart=3600, enough=3)
    await group.submit([1])
    async with asyncio.timeout(5):
        callers = []
        for n in (2, 3, 4):
            callers.append(asyncio.create_task(group.submit([n])))
            await asyncio.sleep(0.01)  # Whoever is to flush it waits for its time by then.
        await asyncio.gather(*callers)
        await group.drained()
    assert store.flushes == [[1], [2, 3, 4]]
