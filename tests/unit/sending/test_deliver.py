"""What a job launches, in what order, and when it asks to be called again."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from manyline.limits.buckets import Reserved, Wanted
from manyline.messages.models import Pending
from manyline.sending.breakers import (
    FAILURES_TO_OPEN,
    FIRST_WAIT_SECONDS,
    PROBE_SECONDS,
    Breakers,
)
from manyline.sending.deliver import (
    AFTER_A_RIVAL_SECONDS,
    MOST_LINGERING,
    WINDOW_PER_TAKEN,
    Deliverer,
    drain_takes,
)
from manyline.sending.flight import FEWEST_PER_NUMBER, Flight
from manyline.sending.launch import Launcher
from manyline.sending.models import Claim, Waiting
from manyline.tenants.models import (
    Limits,
    Tenant,
    TenantSettings,
    TenantStatus,
)

TAKES = drain_takes(80)
WINDOW = TAKES * WINDOW_PER_TAKEN


class Outbox:
    """Messages in the order in which they were accepted."""

    def __init__(self) -> None:
        self.unsettled: list[Pending] = []
        self.claimed: list[ObjectId] = []
        self.parked: list[ObjectId] = []
        self.put_off_until: dict[ObjectId, datetime] = {}
        self.read = 0

    async def find_queued(self, ids: Sequence[ObjectId]) -> list[Pending]:
        return [m for m in self.unsettled if m.id in ids and m.id not in self.claimed]

    async def due(self, tenant_id: ObjectId, *, now: datetime, limit: int) -> list[Pending]:
        self.read += 1
        free = [m for m in self.unsettled if m.tenant_id == tenant_id and m.due_at <= now]
        return [m for m in free if m.id not in {*self.claimed, *self.parked}][:limit]

    async def next_due(self, tenant_id: ObjectId, *, after: datetime) -> datetime | None:
        later = [m.due_at for m in self.unsettled if m.tenant_id == tenant_id and m.due_at > after]
        return min(later, default=None)

    async def heads(self, conversation_ids: Iterable[ObjectId]) -> dict[ObjectId, ObjectId]:
        wanted, found = set(conversation_ids), dict[ObjectId, ObjectId]()
        for message in self.unsettled:
            if message.conversation_id in wanted:
                found.setdefault(message.conversation_id, message.id)
        return found

    async def claim(self, claims: Sequence[Claim], *, now: datetime) -> list[Claim]:
        won = [c for c in claims if c.message.id not in self.claimed]
        self.claimed += [claim.message.id for claim in won]
        return won

    async def park_behind(self, messages: Sequence[Pending], *, until: datetime) -> None:
        self.parked += [message.id for message in messages]

    async def next_in_line(self, conversation_ids: Sequence[ObjectId]) -> list[Waiting]:
        heads = set((await self.heads(conversation_ids)).values())
        return [
            Waiting(m.id, m.tenant_id, m.due_at, behind=m.id in self.parked)
            for m in self.unsettled
            if m.id in heads and m.id not in self.claimed
        ]

    async def unpark(self, message_ids: Sequence[ObjectId], *, now: datetime) -> None:
        self.parked = [one for one in self.parked if one not in message_ids]

    async def put_off(self, until: Mapping[ObjectId, datetime]) -> None:
        self.put_off_until.update(until)


class Directory:
    def __init__(self) -> None:
        self.tenants: list[Tenant] = []

    async def by_ids(self, tenant_ids: Iterable[ObjectId]) -> dict[ObjectId, Tenant]:
        wanted = set(tenant_ids)
        return {tenant.id: tenant for tenant in self.tenants if tenant.id in wanted}

    async def by_numbers(self, numbers: Iterable[str]) -> dict[str, Tenant]:
        wanted = set(numbers)
        return {t.phone_number_id: t for t in self.tenants if t.phone_number_id in wanted}


class Buckets:
    """Grants so many slots in all, per number; `pairs` are recipients that must wait."""

    def __init__(self) -> None:
        self.slots: dict[str, int] = {}
        self.refills = 0
        """So many times, who was told to come again finds as many slots as before."""
        self.retry_after = 0.5
        self.pairs: dict[str, float] = {}

    async def reserve(self, wanted: Mapping[str, Wanted]) -> dict[str, Reserved]:
        answer: dict[str, Reserved] = {}
        for number, want in wanted.items():
            waits = [self._wait(number, recipient) for recipient in want.recipients]
            answer[number] = Reserved(waits, self.retry_after if None in waits else 0.0)
            if None in waits and self.refills:
                self.refills -= 1
                self.slots[number] = len(waits) - waits.count(None)
        return answer

    def _wait(self, number: str, recipient: str) -> float | None:
        if recipient in self.pairs:
            return self.pairs[recipient]
        left = self.slots.get(number, 10**6)
        self.slots[number] = max(0, left - 1)
        return 0.0 if left else None


class Turns:
    """Whose turn it is: ours, unless somebody else has taken it."""

    def __init__(self) -> None:
        self.rivals: set[str] = set()

    @asynccontextmanager
    async def at(self, number: str) -> AsyncIterator[bool]:
        yield number not in self.rivals


class Calls:
    def __init__(self) -> None:
        self.launched: list[ObjectId] = []

    def launch(self, claim: Claim, tenant: Tenant) -> None:
        assert claim.message.tenant_id == tenant.id
        self.launched.append(claim.message.id)


class Woken:
    def __init__(self) -> None:
        self.numbers: list[tuple[str, float]] = []

    def wake_number(self, phone_number_id: str, *, delay_seconds: float = 0) -> None:
        self.numbers.append((phone_number_id, delay_seconds))


class Scene:
    def __init__(self, clock: Any, make_tenant: Any, make_pending: Any) -> None:
        self.clock, self._make_tenant, self._make_pending = clock, make_tenant, make_pending
        self.outbox, self.directory, self.buckets = Outbox(), Directory(), Buckets()
        self.calls, self.woken, self.turns = Calls(), Woken(), Turns()
        self.flight = Flight(capacity=1000, on_room=self.woken.wake_number)
        self.monotonic = 0.0
        self.breakers = Breakers(monotonic=lambda: self.monotonic)
        parts: dict[str, Any] = {"outbox": self.outbox, "wakes": self.woken}
        buckets: Any = self.buckets
        calls: Any = self.calls
        directory: Any = self.directory
        turns: Any = self.turns
        launcher = Launcher(
            **parts,
            buckets=buckets,
            calls=calls,
            flight=self.flight,
            breakers=self.breakers,
            clock=clock,
            lease=timedelta(seconds=30),
            owner="w",
        )
        self.deliverer = Deliverer(
            **parts, directory=directory, launcher=launcher, turns=turns, clock=clock
        )

    def tenant(self, number: str, *, per_second: int = 80, **changes: Any) -> Tenant:
        settings = TenantSettings(limits=Limits(messages_per_second=per_second))
        tenant: Tenant = self._make_tenant(phone_number_id=number, settings=settings, **changes)
        self.directory.tenants.append(tenant)
        return tenant

    def messages(self, tenant: Tenant, count: int, **changes: Any) -> list[Pending]:
        made = [self._make_pending(tenant, **changes) for _ in range(count)]
        self.outbox.unsettled += made
        return made


@pytest.fixture
def scene(clock: Any, make_tenant: Any, make_pending: Any) -> Scene:
    return Scene(clock, make_tenant, make_pending)


def ids(messages: Iterable[Pending]) -> list[ObjectId]:
    return [message.id for message in messages]


def texts(messages: Iterable[Pending]) -> list[str]:
    return [str(message.id) for message in messages]


async def test_a_job_of_many_numbers_launches_all_that_is_eligible(scene: Scene) -> None:
    one, two = scene.tenant("111"), scene.tenant("222")
    messages = scene.messages(one, 3) + scene.messages(two, 2)
    await scene.deliverer.send([*texts(messages), "nonsense", str(ObjectId())])
    assert scene.calls.launched == ids(messages)
    assert scene.flight.total == 5
    assert scene.woken.numbers == []


async def test_to_one_recipient_only_the_first_unsettled_goes(scene: Scene) -> None:
    tenant = scene.tenant("111")
    line = scene.messages(tenant, 5, conversation_id=ObjectId())
    other = scene.messages(tenant, 1)
    await scene.deliverer.send(texts([*reversed(line), *other]))
    assert set(scene.calls.launched) == {line[0].id, other[0].id}
    # Not even when only a later one is asked for.
    await scene.deliverer.send(texts(line[2:]))
    assert len(scene.calls.launched) == 2


async def test_a_message_that_is_not_due_yet_stays(scene: Scene) -> None:
    tenant = scene.tenant("111")
    later = scene.clock.now() + timedelta(seconds=5)
    [waiting] = scene.messages(tenant, 1, due_at=later)
    await scene.deliverer.send(texts([waiting]))
    assert await scene.deliverer.drain("111") == pytest.approx(5.0)
    assert scene.calls.launched == []


async def test_a_clock_that_is_a_little_ahead_delays_nothing(scene: Scene) -> None:
    ahead = scene.clock.now() + timedelta(milliseconds=200)
    messages = scene.messages(scene.tenant("111"), 1, due_at=ahead)
    await scene.deliverer.send(texts(messages))
    assert scene.calls.launched == ids(messages)


@pytest.mark.parametrize("status", [TenantStatus.PAUSED, TenantStatus.CLOSED])
async def test_a_tenant_that_is_not_active_sends_nothing(
    scene: Scene, status: TenantStatus
) -> None:
    messages = scene.messages(scene.tenant("111", status=status), 3)
    await scene.deliverer.send(texts(messages))
    assert await scene.deliverer.drain("111") is None
    assert await scene.deliverer.drain("nobody's") is None
    assert scene.calls.launched == []
    assert scene.flight.total == 0


async def test_a_drain_takes_its_share_and_comes_back_at_once_for_the_rest(scene: Scene) -> None:
    messages = scene.messages(scene.tenant("111"), TAKES + 1)
    scene.deliverer._lingering = MOST_LINGERING
    assert await scene.deliverer.drain("111") == 0.0
    assert scene.calls.launched == ids(messages)[:TAKES]
    assert await scene.deliverer.drain("111") is None
    assert scene.calls.launched == ids(messages)


async def test_a_number_past_its_rate_waits_for_a_slot_and_for_nothing_else(scene: Scene) -> None:
    messages = scene.messages(scene.tenant("111"), 10)
    scene.buckets.slots["111"] = 4
    await scene.deliverer.send(texts(messages))
    assert len(scene.calls.launched) == 4
    assert scene.flight.total == 4
    assert scene.woken.numbers == [("111", 0.5)]


@pytest.mark.parametrize("waiting", [1, 20, 300])
async def test_a_slow_number_with_a_backlog_does_not_spin(scene: Scene, waiting: int) -> None:
    """Its backlog is larger than its share of places, and it has no slot: it must just wait."""
    scene.messages(scene.tenant("111", per_second=1), waiting)
    scene.buckets.slots["111"] = 0
    for _ in range(3):
        again = await scene.deliverer.drain("111")
        assert again is not None
        assert again >= 0.4
    assert scene.woken.numbers == []
    assert scene.flight.total == 0


async def test_a_number_whose_calls_hang_waits_for_a_landing(scene: Scene) -> None:
    messages = scene.messages(scene.tenant("111", per_second=1), 40)
    while await scene.deliverer.drain("111") is not None:
        pass
    assert len(scene.calls.launched) == FEWEST_PER_NUMBER
    assert scene.woken.numbers == []
    scene.flight.landed("111")
    assert scene.woken.numbers == [("111", 0)]
    await scene.deliverer.drain("111")
    assert scene.calls.launched == ids(messages)[: FEWEST_PER_NUMBER + 1]


async def test_followers_that_fill_the_window_do_not_hide_who_is_next(scene: Scene) -> None:
    tenant = scene.tenant("111")
    line = scene.messages(tenant, WINDOW + 50, conversation_id=ObjectId())
    others = scene.messages(tenant, 3)
    for _ in range(10):
        again = await scene.deliverer.drain("111")
        if again is None:
            break
    else:
        pytest.fail("the drain never came to an end")
    assert scene.calls.launched == [line[0].id, *ids(others)]


async def test_followers_seen_again_after_their_pause_are_put_aside_again(scene: Scene) -> None:
    """The head is long under way, a minute is over: the window is full of what was parked once."""
    tenant = scene.tenant("111")
    line = scene.messages(tenant, 1, conversation_id=ObjectId())
    scene.outbox.claimed += ids(line)
    same = line[0].conversation_id
    line += scene.messages(tenant, WINDOW + 50, conversation_id=same, behind=True)
    others = scene.messages(tenant, 3)
    for _ in range(10):
        again = await scene.deliverer.drain("111")
        if again is None:
            break
    else:
        pytest.fail("the drain never came to an end")
    assert scene.calls.launched == ids(others)


async def test_a_full_worker_starts_nothing(scene: Scene) -> None:
    messages = scene.messages(scene.tenant("111"), 1)
    for number in range(10):
        scene.flight.take(f"x{number}", 100, per_second=1000)
    assert scene.flight.total == 1000
    job = asyncio.create_task(scene.deliverer.send(texts(messages)))
    await asyncio.sleep(0)
    assert scene.calls.launched == []
    scene.flight.landed("x1")
    async with asyncio.timeout(1):
        await job
    assert scene.calls.launched == ids(messages)


async def test_what_breaks_before_the_claim_costs_no_place(scene: Scene) -> None:
    async def broken(_: object) -> dict[str, Reserved]:
        raise ConnectionError("redis is away")

    messages = scene.messages(scene.tenant("111"), 5)
    scene.buckets.reserve = broken  # type: ignore[method-assign,assignment]
    with pytest.raises(ConnectionError):
        await scene.deliverer.send(texts(messages))
    assert scene.flight.total == 0
    assert scene.calls.launched == []


async def test_a_recipient_that_had_enough_waits_alone(scene: Scene) -> None:
    tenant = scene.tenant("111")
    waiting, *others = scene.messages(tenant, 1, recipient="+4915112345678") + scene.messages(
        tenant, 3
    )
    scene.buckets.pairs["+4915112345678"] = 6.0
    await scene.deliverer.send(texts([waiting, *others]))
    assert scene.calls.launched == ids(others)
    assert scene.flight.total == 3
    assert scene.outbox.put_off_until == {waiting.id: scene.clock.now() + timedelta(seconds=6)}
    assert scene.woken.numbers == [("111", 6.0)]


async def test_an_open_breaker_lets_one_probe_through_and_then_everybody(scene: Scene) -> None:
    messages = scene.messages(scene.tenant("111"), 10)
    for _ in range(FAILURES_TO_OPEN):
        scene.breakers.unanswered("111")
    await scene.deliverer.send(texts(messages))
    assert scene.calls.launched == []
    assert scene.woken.numbers == [("111", FIRST_WAIT_SECONDS)]
    assert await scene.deliverer.drain("111") == FIRST_WAIT_SECONDS
    scene.monotonic += FIRST_WAIT_SECONDS
    assert await scene.deliverer.drain("111") == PROBE_SECONDS
    assert scene.calls.launched == [messages[0].id]
    scene.breakers.answered("111")
    assert await scene.deliverer.drain("111") is None
    assert scene.calls.launched == ids(messages)


async def test_a_probe_that_got_no_slot_leaves_the_way_to_the_next(scene: Scene) -> None:
    messages = scene.messages(scene.tenant("111"), 2)
    for _ in range(FAILURES_TO_OPEN):
        scene.breakers.unreachable()
    scene.monotonic += FIRST_WAIT_SECONDS
    scene.buckets.slots["111"] = 0
    await scene.deliverer.send(texts(messages))
    assert scene.calls.launched == []
    assert scene.breakers.wait("111") == 0


async def test_two_drains_of_a_number_do_not_run_at_once(scene: Scene) -> None:
    messages = scene.messages(scene.tenant("111"), 3)
    scene.turns.rivals.add("111")
    assert await scene.deliverer.drain("111") == AFTER_A_RIVAL_SECONDS
    assert scene.calls.launched == []
    scene.turns.rivals.clear()
    assert await scene.deliverer.drain("111") is None
    assert scene.calls.launched == ids(messages)


@pytest.mark.parametrize(("rate", "takes"), [(1, 8), (20, 8), (80, 20), (200, 50), (1000, 50)])
def test_a_drain_launches_a_quarter_of_a_seconds_messages(rate: int, takes: int) -> None:
    assert drain_takes(rate) == takes


async def test_a_drain_lingers_for_its_next_slots_with_what_it_has_read(scene: Scene) -> None:
    messages = scene.messages(scene.tenant("111"), 12)
    scene.buckets.slots["111"], scene.buckets.refills = 4, 2
    scene.buckets.retry_after = 0.01
    assert await scene.deliverer.drain("111") is None
    assert scene.calls.launched == ids(messages)
    assert scene.outbox.read == 1


async def test_who_lingers_stops_when_the_tenant_is_paused(scene: Scene) -> None:
    tenant = scene.tenant("111")
    messages = scene.messages(tenant, 12)
    scene.buckets.slots["111"], scene.buckets.refills = 4, 2
    scene.buckets.retry_after = 0.01
    draining = asyncio.create_task(scene.deliverer.drain("111"))
    while len(scene.calls.launched) < 4:
        await asyncio.sleep(0)
    scene.directory.tenants[0] = replace(tenant, status=TenantStatus.PAUSED)
    await draining
    assert scene.calls.launched == ids(messages)[:4]


async def test_a_follower_that_leads_by_the_time_it_is_put_behind_is_brought_back(
    scene: Scene,
) -> None:
    """Whoever settled the message before it has woken it already, and does not come again."""
    tenant = scene.tenant("111")
    line = scene.messages(tenant, WINDOW, conversation_id=ObjectId())
    park_behind = scene.outbox.park_behind

    async def settled_meanwhile(messages: Sequence[Pending], *, until: datetime) -> None:
        scene.outbox.unsettled.remove(line[0])
        await park_behind(messages, until=until)

    scene.outbox.park_behind = settled_meanwhile  # type: ignore[method-assign]
    assert await scene.deliverer.drain("111") == 0.0
    assert scene.calls.launched == [line[0].id]
    assert line[1].id not in scene.outbox.parked
    assert line[2].id in scene.outbox.parked
