"""The hub over a stream that the test feeds: when it is opened, closed, and opened again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from bson import ObjectId

from manyline.base.errors import StoreUnavailableError
from manyline.events import hub as hub_module
from manyline.events.hub import EventHub
from manyline.events.models import (
    Change,
    EventKind,
    EventsUnavailableError,
    PositionLostError,
    TenantEvent,
)
from manyline.tenants.models import Tenant, TenantNotFoundError


class Stream:
    def __init__(self, position: str) -> None:
        self.position = position
        self.feed: asyncio.Queue[Change | Exception] = asyncio.Queue()
        self.closed = False

    async def next(self) -> Change:
        found = await self.feed.get()
        if isinstance(found, Exception):
            raise found
        self.position = found.position
        return found

    async def close(self) -> None:
        self.closed = True


class Store:
    """Change streams and tenants."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.opened_after: list[str | None] = []
        self.failures: list[Exception] = []
        self.tenants: dict[ObjectId, Tenant] = {}

    async def open(self, *, after: str | None = None, wait_ms: int = 0) -> Stream:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        self.opened_after.append(after)
        self.streams.append(Stream(after or "00"))
        return self.streams[-1]

    async def get(self, tenant_id: ObjectId) -> Tenant:
        if tenant_id not in self.tenants:
            raise TenantNotFoundError
        return self.tenants[tenant_id]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def hub(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EventHub]:
    monkeypatch.setattr(hub_module, "STORE_AWAY_WAIT_SECONDS", 0)
    parts: Any = {"changes": store, "messages": store, "tenants": store}
    made = EventHub(**parts)
    yield made
    await made.close()


@pytest.fixture
def tenant(store: Store, make_tenant: Callable[..., Tenant]) -> Tenant:
    made = make_tenant()
    store.tenants[made.id] = made
    return made


def change(position: str, tenant: Tenant) -> Change:
    return Change(position, EventKind.TENANT, tenant.id, tenant_id=tenant.id)


async def test_one_stream_serves_all_listeners_and_none_is_opened_for_nobody(
    hub: EventHub, store: Store, tenant: Tenant
) -> None:
    assert store.streams == []
    one, two = await asyncio.gather(hub.listen(tenant.id), hub.listen(tenant.id))
    assert len(store.streams) == 1
    store.streams[0].feed.put_nowait(change("01", tenant))
    for listener in (one, two):
        assert await listener.next() == TenantEvent("01", tenant)


async def test_an_interrupted_stream_goes_on_where_it_was(
    hub: EventHub, store: Store, tenant: Tenant
) -> None:
    listener = await hub.listen(tenant.id)
    store.streams[0].feed.put_nowait(change("01", tenant))
    await listener.next()
    store.failures = [StoreUnavailableError("still away")] * 3
    store.streams[0].feed.put_nowait(StoreUnavailableError("away"))
    async with asyncio.timeout(5):
        while len(store.streams) < 2:
            await asyncio.sleep(0)
    assert store.opened_after == [None, "01"]
    assert store.streams[0].closed
    store.streams[1].feed.put_nowait(change("02", tenant))
    assert await listener.next() == TenantEvent("02", tenant)


async def test_a_lost_position_ends_everybody_and_the_next_begins_anew(
    hub: EventHub, store: Store, tenant: Tenant
) -> None:
    listener = await hub.listen(tenant.id)
    store.failures = [PositionLostError("too old")]
    store.streams[0].feed.put_nowait(StoreUnavailableError("away"))
    assert await listener.next() is None
    assert not hub.is_reading
    again = await hub.listen(tenant.id)
    store.streams[1].feed.put_nowait(change("07", tenant))
    assert await again.next() == TenantEvent("07", tenant)
    assert store.opened_after == [None, None]


async def test_who_comes_while_the_last_one_goes_is_told_all_the_same(
    hub: EventHub, store: Store, tenant: Tenant
) -> None:
    first = await hub.listen(tenant.id)
    hub.leave(first)
    # The reader learns of it with the next change, or at the end of its second of waiting.
    store.streams[0].feed.put_nowait(Change("01"))
    async with asyncio.timeout(5):
        while hub.is_reading:
            await asyncio.sleep(0)
    second = await hub.listen(tenant.id)
    store.streams[-1].feed.put_nowait(change("02", tenant))
    assert await second.next() == TenantEvent("02", tenant)
    assert not second.ended.is_set()
    assert len(store.streams) == 2


async def test_no_more_than_a_bounded_number_listens(
    hub: EventHub, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "MOST_LISTENERS", 2)
    listeners = [await hub.listen(tenant.id) for _ in range(2)]
    with pytest.raises(EventsUnavailableError):
        await hub.listen(tenant.id)
    hub.leave(listeners[0])
    await hub.listen(tenant.id)


async def test_a_stream_that_cannot_be_opened_leaves_no_listener_behind(
    hub: EventHub, store: Store, tenant: Tenant
) -> None:
    store.failures = [StoreUnavailableError("away")]
    with pytest.raises(StoreUnavailableError):
        await hub.listen(tenant.id)
    assert hub._everyone() == []
    await hub.listen(tenant.id)


async def test_closing_closes_the_stream_and_ends_every_listener(
    hub: EventHub, store: Store, tenant: Tenant
) -> None:
    listener = await hub.listen(tenant.id)
    await hub.close()
    assert store.streams[0].closed
    assert await listener.next() is None
    with pytest.raises(EventsUnavailableError):
        await hub.listen(tenant.id)


async def test_a_replay_ends_where_the_listener_began(
    hub: EventHub, store: Store, tenant: Tenant, make_tenant: Callable[..., Tenant]
) -> None:
    first = await hub.listen(tenant.id)
    store.streams[0].feed.put_nowait(change("05", tenant))
    await first.next()
    listener = await hub.listen(tenant.id, after="02")

    async def replayed() -> list[str]:
        return [event.position async for event in hub.replay(listener)]

    replay = asyncio.create_task(replayed())
    async with asyncio.timeout(5):
        while len(store.streams) < 2:
            await asyncio.sleep(0)
    stranger = make_tenant()
    for one in (
        change("03", tenant),
        change("04", stranger),
        Change("045"),
        change("05", tenant),
        change("06", tenant),
    ):
        store.streams[1].feed.put_nowait(one)
    assert await replay == ["03", "05"]
    assert store.opened_after[-1] == "02"
    assert store.streams[1].closed
