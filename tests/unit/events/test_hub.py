"""The hub over a stream that the test feeds: when it is opened, closed, and opened again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from bson import ObjectId
from structlog.testing import capture_logs

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

    replay = asyncio.create_task(hub.replay(listener))
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
    assert [event.position for event in await replay] == ["03", "05"]
    assert listener.is_live
    assert store.opened_after[-1] == "02"
    assert store.streams[1].closed


async def at_five(hub: EventHub, store: Store, tenant: Tenant) -> None:
    """The hub has told everything up to 05."""
    first = await hub.listen(tenant.id)
    store.streams[0].feed.put_nowait(change("05", tenant))
    await first.next()


async def test_a_chunk_is_bounded_and_holds_nothing_until_the_next(
    hub: EventHub, store: Store, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait with a chunk in their hands, others get theirs."""
    monkeypatch.setattr(hub_module, "BATCH", 2)
    await at_five(hub, store, tenant)
    listeners = [await hub.listen(tenant.id, after="01") for _ in range(6)]
    chunks = [asyncio.create_task(hub.replay(one)) for one in listeners]
    for number in range(1, 7):
        async with asyncio.timeout(5):
            while len(store.streams) <= number:
                await asyncio.sleep(0)
        for position in ("02", "03", "04"):
            store.streams[number].feed.put_nowait(change(position, tenant))
    async with asyncio.timeout(5):
        told = await asyncio.gather(*chunks)
    assert [[event.position for event in chunk] for chunk in told] == [["02", "03"]] * 6
    assert all(stream.closed for stream in store.streams[1:])
    assert not any(one.is_live for one in listeners)
    assert {one.position for one in listeners} == {"03"}


async def test_a_chunk_asks_for_its_messages_once(
    hub: EventHub, store: Store, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[ObjectId]] = []

    async def by_ids(_tenants: list[ObjectId], ids: list[ObjectId]) -> dict[ObjectId, Any]:
        asked.append(ids)
        return {}

    monkeypatch.setattr(store, "by_ids", by_ids, raising=False)
    await at_five(hub, store, tenant)
    listener = await hub.listen(tenant.id, after="01")
    replay = asyncio.create_task(hub.replay(listener))
    async with asyncio.timeout(5):
        while len(store.streams) < 2:
            await asyncio.sleep(0)
    for position in ("02", "03", "04", "05"):
        one = Change(position, EventKind.MESSAGE, ObjectId(), tenant_id=tenant.id)
        store.streams[1].feed.put_nowait(one)
    await replay
    assert [len(ids) for ids in asked] == [4]


async def test_a_position_ahead_of_the_store_is_lost(
    hub: EventHub, store: Store, tenant: Tenant
) -> None:
    await at_five(hub, store, tenant)
    listener = await hub.listen(tenant.id, after="99")
    with pytest.raises(PositionLostError):
        await hub.replay(listener)
    store.streams[0].feed.put_nowait(change("06", tenant))
    assert await listener.next() == TenantEvent("06", tenant)


async def test_a_failure_that_nobody_expected_is_logged_and_the_next_begins_anew(
    hub: EventHub, store: Store, tenant: Tenant
) -> None:
    listener = await hub.listen(tenant.id)
    with capture_logs() as logs:
        store.streams[0].feed.put_nowait(ValueError("a secret"))
        assert await listener.next() is None
    assert [(one["event"], one["error"]) for one in logs] == [
        ("events.reader_failed", "ValueError")
    ]
    assert "a secret" not in str(logs)
    again = await hub.listen(tenant.id)
    store.streams[1].feed.put_nowait(change("07", tenant))
    assert await again.next() == TenantEvent("07", tenant)
