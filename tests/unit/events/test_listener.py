"""One listener: order, bound, end, and the position that it may be asked to go on from."""

import asyncio
from collections.abc import Callable

import pytest
from bson import ObjectId

from manyline.events.listener import Listener
from manyline.events.models import TenantEvent
from manyline.tenants.models import Tenant


@pytest.fixture
def event(make_tenant: Callable[..., Tenant]) -> Callable[[str], TenantEvent]:
    tenant = make_tenant()
    return lambda position: TenantEvent(position, tenant)


Make = Callable[[str], TenantEvent]


def live(**more: int) -> Listener:
    """One that listens from now on."""
    listener = Listener(ObjectId(), after=None, **more)
    listener.caught_up("")
    return listener


async def test_events_come_in_order_and_move_the_position(event: Make) -> None:
    listener = live()
    for position in ("01", "02"):
        listener.offer(event(position))
    assert (await listener.next()) == event("01")
    assert listener.position == "01"
    assert (await listener.next()) == event("02")
    assert listener.position == "02"


async def test_who_waits_is_woken_by_an_event_and_by_the_end(event: Make) -> None:
    listener = live()
    waiting = asyncio.create_task(listener.next())
    await asyncio.sleep(0)
    listener.offer(event("01"))
    assert await waiting == event("01")
    waiting = asyncio.create_task(listener.next())
    await asyncio.sleep(0)
    listener.end()
    assert await waiting is None


async def test_what_waits_at_the_end_is_still_handed_out(event: Make) -> None:
    listener = live()
    listener.offer(event("01"))
    listener.end()
    listener.offer(event("02"))
    assert await listener.next() == event("01")
    assert await listener.next() is None


async def test_one_that_falls_behind_is_ended_and_keeps_nothing(event: Make) -> None:
    listener = live(most_waiting=3)
    for position in ("01", "02", "03"):
        listener.offer(event(position))
    assert not listener.ended.is_set()
    listener.offer(event("04"))
    assert listener.too_slow
    assert listener.ended.is_set()
    # Not even what waited: the reader asks for all of it again, in order.
    assert await listener.next() is None
    assert listener.position == ""


async def test_other_tenants_traffic_moves_the_position_only_past_nothing(event: Make) -> None:
    listener = live()
    listener.pass_by("05")
    assert listener.position == "05"
    listener.offer(event("06"))
    listener.pass_by("09")
    assert listener.position == "05"
    await listener.next()
    assert listener.position == "06"
    listener.pass_by("09")
    assert listener.position == "09"
    listener.pass_by("08")
    assert listener.position == "09"


async def test_what_another_process_told_already_is_not_told_again(event: Make) -> None:
    listener = Listener(ObjectId(), after="05")
    listener.caught_up("05")
    for position in ("04", "05", "06"):
        listener.offer(event(position))
    assert await listener.next() == event("06")


async def test_nothing_waits_for_one_that_still_catches_up(event: Make) -> None:
    listener = Listener(ObjectId(), after="01", most_waiting=3)
    for position in ("02", "03", "04", "05", "06"):
        listener.offer(event(position))
        listener.pass_by(position)
    assert not listener.ended.is_set()
    assert listener.position == "01"
    listener.caught_up("05")
    for position in ("05", "06"):
        listener.offer(event(position))
    assert await listener.next() == event("06")
