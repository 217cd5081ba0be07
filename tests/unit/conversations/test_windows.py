"""Windows are asked about only where the answer may have become "closed"."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from manyline.conversations.windows import Windows


class Repository:
    def __init__(self) -> None:
        self.ends: dict[ObjectId, datetime] = {}
        self.asked: list[set[ObjectId]] = []

    async def windows(self, conversation_ids: Sequence[ObjectId]) -> dict[ObjectId, datetime]:
        self.asked.append(set(conversation_ids))
        return {one: self.ends[one] for one in conversation_ids if one in self.ends}


@pytest.fixture
def repository() -> Repository:
    return Repository()


@pytest.fixture
def windows(repository: Any, clock: Any) -> Windows:
    return Windows(repository=repository, clock=clock)


async def test_an_open_window_is_asked_about_again_only_when_it_has_ended(
    windows: Windows, repository: Repository, clock: Any
) -> None:
    one = ObjectId()
    end = repository.ends[one] = clock.now() + timedelta(hours=2)
    assert await windows.closed([one]) == {}
    clock.advance(hours=2, seconds=-1)
    assert await windows.closed([one]) == {}
    assert len(repository.asked) == 1
    clock.advance(seconds=1)
    assert await windows.closed([one]) == {one: end}
    # The customer has written again.
    repository.ends[one] = clock.now() + timedelta(hours=24)
    assert await windows.closed([one]) == {}
    assert len(repository.asked) == 3


async def test_a_window_that_nobody_knows_is_asked_about_a_minute_later(
    windows: Windows, repository: Repository, clock: Any
) -> None:
    one = ObjectId()
    assert await windows.closed([one]) == {}
    repository.ends[one] = clock.now() - timedelta(hours=1)
    assert await windows.closed([one]) == {}
    clock.advance(minutes=1)
    assert set(await windows.closed([one])) == {one}
    assert len(repository.asked) == 2


async def test_one_question_for_all_that_need_one(
    windows: Windows, repository: Repository, clock: Any
) -> None:
    known, past, new = ObjectId(), ObjectId(), ObjectId()
    repository.ends = {known: clock.now() + timedelta(1), past: clock.now() - timedelta(1)}
    await windows.closed([known])
    assert set(await windows.closed([known, past, new, past])) == {past}
    assert set(await windows.closed([known, past, new])) == {past}
    assert repository.asked == [{known}, {past, new}, {past}]
    assert await windows.closed([]) == {}
    assert len(repository.asked) == 3


async def test_the_memory_is_bounded(
    windows: Windows, repository: Repository, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("manyline.conversations.windows.REMEMBERED", 10)
    await windows.closed([ObjectId() for _ in range(50)])
    assert len(windows._not_closed_before) == 10
