"""Accepting sends: what a flush asks the store, and what the 24-hour window refuses."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId, decode

from manyline.conversations.windows import Windows
from manyline.customers.models import Sighting
from manyline.customers.service import People
from manyline.messages.models import Inserted
from manyline.sending.accept import AcceptedSend, Acceptor, SendText
from manyline.sending.refusals import IdempotencyConflictError, WindowClosedError
from manyline.tenants.models import Tenant, TenantNotActiveError, TenantSettings, TenantStatus

MakeTenant = Callable[..., Tenant]


@dataclass
class First:
    """A message that was accepted earlier."""

    id: ObjectId
    request_hash: str


@dataclass
class Store:
    """Customers, conversations and messages as the acceptor asks for them, and what it asked."""

    met: dict[tuple[ObjectId, str], ObjectId] = field(default_factory=dict)
    ends: dict[ObjectId, datetime] = field(default_factory=dict)
    stored: dict[tuple[ObjectId, str], First] = field(default_factory=dict)
    asked_windows: list[set[ObjectId]] = field(default_factory=list)
    looked_up: int = 0
    woken: list[str] = field(default_factory=list)

    async def resolve(self, sightings: Iterable[Sighting]) -> People:
        keys = {(each.tenant_id, each.identity) for each in sightings}
        new = {key: ObjectId() for key in keys if key not in self.met}
        self.met |= new
        return People(ids={key: self.met[key] for key in keys}, first_met=frozenset(new.values()))

    async def windows(self, conversation_ids: Iterable[ObjectId]) -> dict[ObjectId, datetime]:
        asked = set(conversation_ids)
        self.asked_windows.append(asked)
        return {one: self.ends[one] for one in asked if one in self.ends}

    async def record(self, turns: Sequence[Any], *, first_met: Any) -> set[ObjectId]:
        return set(first_met)

    async def reunite(self, customer_ids: Any) -> None:
        pass

    async def insert(self, documents: Sequence[Any]) -> list[Inserted]:
        outcomes = []
        for raw in documents:
            message = decode(raw.raw)
            key = (message["tenantId"], message["idempotencyKey"])
            outcomes.append(Inserted(new=key not in self.stored))
            self.stored.setdefault(key, First(message["_id"], message["requestHash"]))
        return outcomes

    async def find_by_key(self, tenant_id: ObjectId, key: str) -> First | None:
        self.looked_up += 1
        return self.stored.get((tenant_id, key))

    def flush(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def wake(self, messages: Iterable[tuple[str, str]]) -> None:
        self.woken += [message_id for message_id, _ in messages]

    def met_before(self, tenant: Tenant, number: str) -> ObjectId:
        """Somebody this tenant has a conversation with."""
        return self.met.setdefault((tenant.id, f"tel:{number}"), ObjectId())


def acceptor_of(store: Store, clock: Any) -> Acceptor:
    parts: Any = store
    return Acceptor(
        customers=parts,
        conversations=parts,
        windows=Windows(repository=parts, clock=clock),
        messages=parts,
        one_wait=parts,
        wakes=parts,
        clock=clock,
    )


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def accept(store: Store, clock: Any) -> Callable[..., Any]:
    acceptor = acceptor_of(store, clock)

    async def one(tenant: Tenant, to: str = "+919012345678", **more: Any) -> AcceptedSend:
        return await acceptor.accept(tenant, SendText(to=to, **{"text": "hello", **more}))

    return one


async def test_a_closed_window_refuses_and_stores_nothing(
    store: Store, accept: Any, clock: Any, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant()
    closed_at = clock.now() - timedelta(hours=3)
    store.ends[store.met_before(tenant, "+919012345678")] = closed_at
    with pytest.raises(WindowClosedError, match="131047") as refused:
        await accept(tenant)
    assert refused.value.closed_at == closed_at
    assert (store.stored, store.woken) == ({}, [])


async def test_an_open_window_and_an_unknown_one_accept(
    store: Store, accept: Any, clock: Any, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant()
    store.ends[store.met_before(tenant, "+919012345678")] = clock.now() + timedelta(seconds=1)
    store.met_before(tenant, "+919012345679")
    await accept(tenant)
    await accept(tenant, "+919012345679")
    await accept(tenant, "+919012345670")
    assert len(store.stored) == len(store.woken) == 3
    # Who was met just now cannot have written, so nothing is asked about the last.
    assert [len(asked) for asked in store.asked_windows] == [1, 1]


async def test_a_tenant_that_turned_the_check_off_is_not_asked_about(
    store: Store, accept: Any, clock: Any, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(settings=TenantSettings(check_window=False))
    store.ends[store.met_before(tenant, "+919012345678")] = clock.now() - timedelta(days=3)
    await accept(tenant)
    assert store.asked_windows == []


async def test_one_question_serves_a_whole_flush_and_each_gets_its_own_answer(
    store: Store, accept: Any, clock: Any, make_tenant: MakeTenant
) -> None:
    one, two = make_tenant(), make_tenant(phone_number_id="222222")
    numbers = [f"+9190123456{n:02}" for n in range(20)]
    for n, number in enumerate(numbers):
        for tenant in (one, two):
            offset = timedelta(hours=1 if n % 3 else -1)
            store.ends[store.met_before(tenant, number)] = clock.now() + offset
    sends = [(tenant, number) for number in numbers for tenant in (one, two)]
    answers = await asyncio.gather(*(accept(*each) for each in sends), return_exceptions=True)
    assert [len(asked) for asked in store.asked_windows] == [40]
    for (_, number), answer in zip(sends, answers, strict=True):
        expected = AcceptedSend if numbers.index(number) % 3 else WindowClosedError
        assert isinstance(answer, expected), number
    ids = {str(answer.message_id) for answer in answers if isinstance(answer, AcceptedSend)}
    assert ids == set(store.woken) == {str(first.id) for first in store.stored.values()}


async def test_a_repeated_key_keeps_its_answer_after_the_window_has_closed(
    store: Store, accept: Any, clock: Any, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant()
    conversation = store.met_before(tenant, "+919012345678")
    store.ends[conversation] = clock.now() + timedelta(minutes=1)
    first = await accept(tenant, idempotency_key="order-1")
    clock.advance(minutes=2)
    again = await accept(tenant, idempotency_key="order-1")
    assert (again.message_id, again.replayed) == (first.message_id, True)
    with pytest.raises(IdempotencyConflictError):
        await accept(tenant, idempotency_key="order-1", text="other")
    with pytest.raises(WindowClosedError):
        await accept(tenant, idempotency_key="order-2")
    assert len(store.stored) == 1


async def test_a_key_that_nobody_gave_is_not_looked_up(
    store: Store, accept: Any, clock: Any, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant()
    store.ends[store.met_before(tenant, "+919012345678")] = clock.now() - timedelta(hours=1)
    with pytest.raises(WindowClosedError):
        await accept(tenant)
    with pytest.raises(TenantNotActiveError, match=r"paused \(because\)"):
        await accept(make_tenant(status=TenantStatus.PAUSED, paused_reason="because"))
    assert store.looked_up == 0
