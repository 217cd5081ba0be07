"""One process at a time has a role, for as long as it goes on asking for it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from manyline.infra.mongo import PrimaryWatch, open_mongo
from manyline.infra.single_holder import SingleHolder

Holder = Callable[[str], SingleHolder]
TERM = timedelta(seconds=12)


@pytest.fixture
def holder(mongo: Any, clock: Any) -> Holder:
    return lambda owner: SingleHolder(
        mongo.database, name="relay", owner=owner, term=TERM, clock=clock
    )


async def test_whoever_has_it_keeps_it_and_others_wait(holder: Holder, clock: Any) -> None:
    one, other = holder("one"), holder("other")
    assert await one.hold()
    for _ in range(3):
        clock.advance(seconds=10)
        assert not await other.hold()
        assert await one.hold()


async def test_it_is_anybodys_when_its_term_is_over_or_it_was_given_back(
    holder: Holder, clock: Any
) -> None:
    one, other = holder("one"), holder("other")
    assert await one.hold()
    clock.advance(seconds=12.5)
    assert await other.hold()
    assert not await one.hold()
    await one.release()  # no longer its own
    assert not await one.hold()
    await other.release()
    assert await one.hold()


async def test_of_many_who_ask_at_once_one_gets_it(holder: Holder) -> None:
    answers = await asyncio.gather(*(holder(str(n)).hold() for n in range(20)))
    assert sum(answers) == 1


async def test_waiting_for_it_meets_no_error(mongo_uri: str, holder: Holder, clock: Any) -> None:
    """Each would leave garbage, round by round, in a process that may wait for weeks."""
    replies: list[Any] = []

    class Listener(PrimaryWatch):
        def stay(self, servers: list[Any]) -> list[Any]:
            return servers

        def started(self, event: Any) -> None:
            pass

        def succeeded(self, event: Any) -> None:
            replies.append(event.reply)

        def failed(self, event: Any) -> None:
            replies.append(event.failure)

    assert await holder("one").hold()
    mongo = open_mongo(mongo_uri, app_name="test", watch=Listener())
    waiting = SingleHolder(mongo.database, name="relay", owner="other", term=TERM, clock=clock)
    assert not await waiting.hold()
    await mongo.close()
    assert len(replies) >= 2
    assert [reply for reply in replies if "writeErrors" in reply or "errmsg" in reply] == []
