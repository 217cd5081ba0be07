"""Claims and settlements: each transition is one conditional update, and a late one is harmless."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from manyline.messages.models import Message, Pending
from manyline.messages.states import MessageStatus
from manyline.sending.models import Claim, Failed, InDoubt, Parked, Requeued, Sent, Settlement

TENANT = ObjectId()
LEASE = timedelta(seconds=30)
FAR = datetime(2027, 1, 1, tzinfo=UTC)


class Scene:
    def __init__(self, outbox: Any, stuck: Any, messages: Any, insert: Any, clock: Any) -> None:
        self.outbox, self.stuck, self.clock = outbox, stuck, clock
        self.messages, self.insert = messages, insert

    async def claims(self, *ids: ObjectId, owner: str = "w/1") -> list[Claim]:
        """Claims asked for as a worker does, when the messages are due."""
        pending = await self.outbox.find_queued(ids)
        waits = [p.due_at - self.clock.now() for p in pending if not p.behind]
        self.clock.advance(seconds=max([wait.total_seconds() for wait in waits], default=0.0))
        now = self.clock.now()
        asked = [
            Claim(message=p, owner=owner, claimed_at=now, expires_at=now + LEASE) for p in pending
        ]
        won: list[Claim] = await self.outbox.claim(asked, now=now) if asked else []
        return won

    async def claimed(self, **changes: Any) -> Claim:
        message = await self.insert(TENANT, **changes)
        [claim] = await self.claims(message.id)
        return claim

    async def settle(self, *settlements: Settlement) -> None:
        await self.outbox.settle(settlements)

    async def resend(self) -> int:
        """What the relay does for a tenant whose policy is `resend`; answers how many."""
        now = self.clock.now()
        resent: int = await self.stuck.resend(
            TENANT, doubted_before=now - timedelta(minutes=2), now=now, expires_at=FAR
        )
        return resent

    async def stored(self, claim: Claim) -> Message:
        message: Message = await self.messages.get(TENANT, claim.message.id)
        return message

    def sent(self, claim: Claim, wamid: str = "wamid.1") -> Sent:
        return Sent(claim=claim, wamid=wamid, at=self.clock.now())

    def requeued(self, claim: Claim, *, counts: bool = False) -> Requeued:
        later = self.clock.now() + timedelta(seconds=5)
        return Requeued(
            claim=claim,
            at=self.clock.now(),
            due_at=later,
            counts=counts,
            error={"title": "not now"},
        )

    def failed(self, claim: Claim) -> Failed:
        return Failed(claim=claim, at=self.clock.now(), error={"title": "no"})

    def in_doubt(self, claim: Claim) -> InDoubt:
        return InDoubt(claim=claim, at=self.clock.now(), reason="who knows")


@pytest.fixture
def scene(outbox: Any, stuck: Any, messages: Any, insert: Any, clock: Any) -> Scene:
    return Scene(outbox, stuck, messages, insert, clock)


async def test_of_many_who_claim_a_message_one_wins(scene: Scene) -> None:
    ids = [(await scene.insert(TENANT)).id for _ in range(20)]
    pending = await scene.outbox.find_queued(ids)
    now = scene.clock.now()
    won = await asyncio.gather(
        *(
            scene.outbox.claim(
                [
                    Claim(message=p, owner=f"w/{n}", claimed_at=now, expires_at=now + LEASE)
                    for p in pending
                ],
                now=now,
            )
            for n in range(8)
        )
    )
    claimed = [claim.message.id for claims in won for claim in claims]
    assert sorted(claimed) == sorted(ids)
    assert await scene.outbox.find_queued(ids) == []


async def test_a_sent_message_leaves_the_outbox(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.settle(scene.sent(claim))
    message = await scene.stored(claim)
    assert (message.status, message.wamid, message.attempts) == ("sent", "wamid.1", 1)
    assert message.error is None
    assert await scene.stuck.oldest_due(MessageStatus.SENDING, before=FAR) == {}


async def test_an_attempt_counts_and_a_wait_does_not(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.settle(scene.requeued(claim, counts=True))
    assert (await scene.stored(claim)).attempts == 1
    [again] = await scene.claims(claim.message.id, owner="w/2")
    await scene.settle(scene.requeued(again))
    message = await scene.stored(claim)
    assert (message.status, message.attempts) == ("queued", 1)
    assert message.next_attempt_at == scene.clock.now() + timedelta(seconds=5)
    assert message.error == {"title": "not now"}


@pytest.mark.parametrize("kind", ["requeued", "failed", "in_doubt"])
async def test_a_late_settlement_of_a_claim_that_is_over_changes_nothing(
    scene: Scene, kind: str
) -> None:
    """It was queued again and claimed anew; only the new claim may settle it."""
    old = await scene.claimed()
    await scene.settle(scene.requeued(old))
    await scene.settle(getattr(scene, kind)(old))
    queued = await scene.stored(old)
    assert (queued.status, queued.wamid) == ("queued", None)
    [new] = await scene.claims(old.message.id, owner="w/2")
    await scene.settle(getattr(scene, kind)(old))
    assert (await scene.stored(old)).status == "sending"
    await scene.settle(scene.sent(new, "wamid.new"))
    assert (await scene.stored(old)).wamid == "wamid.new"
    for late in ("requeued", "failed", "in_doubt", "sent"):
        await scene.settle(getattr(scene, late)(old))
        message = await scene.stored(old)
        assert (message.status, message.wamid) == ("sent", "wamid.new")


@pytest.mark.parametrize(
    ("kind", "status", "attempts"),
    [("sent", "sent", 1), ("requeued", "queued", 0), ("failed", "failed", 1)],
)
async def test_from_doubt_graphs_late_answer_still_counts_and_counts_once(
    scene: Scene, kind: str, status: str, attempts: int
) -> None:
    claim = await scene.claimed()
    await scene.settle(scene.in_doubt(claim))
    doubted = await scene.stored(claim)
    assert (doubted.status, doubted.error) == ("in_doubt", {"title": "who knows"})
    assert doubted.attempts == 1
    assert await scene.stuck.oldest_due(MessageStatus.SENDING, before=FAR) == {}
    await scene.settle(getattr(scene, kind)(claim))
    message = await scene.stored(claim)
    assert (message.status, message.attempts) == (status, attempts)


@pytest.mark.parametrize("kind", ["sent", "requeued", "failed", "in_doubt"])
async def test_attempts_are_counted_in_the_store_whatever_the_claim_was_read_from(
    scene: Scene, kind: str
) -> None:
    """A drain lingers with what it has read; meanwhile the message was tried elsewhere."""
    message = await scene.insert(TENANT)
    [read_before] = await scene.outbox.find_queued([message.id])
    [first] = await scene.claims(message.id)
    await scene.settle(scene.requeued(first, counts=True))
    scene.clock.advance(seconds=10)
    now = scene.clock.now()
    stale = Claim(message=read_before, owner="w/2", claimed_at=now, expires_at=now + LEASE)
    [claim] = await scene.outbox.claim([stale], now=now)
    await scene.settle(getattr(scene, kind)(claim))
    assert (await scene.stored(claim)).attempts == (1 if kind == "requeued" else 2)


async def test_a_late_answer_makes_a_resend_needless(scene: Scene) -> None:
    """Whoever brings it: Graph took the message, and its second POST must not leave."""
    claim = await scene.claimed()
    await scene.settle(scene.in_doubt(claim))
    scene.clock.advance(minutes=5)
    await scene.resend()
    assert (await scene.stored(claim)).status == "queued"
    await scene.settle(scene.sent(claim))
    message = await scene.stored(claim)
    assert (message.status, message.wamid) == ("sent", "wamid.1")
    assert await scene.outbox.find_queued([claim.message.id]) == []


async def test_a_doubt_is_resent_after_its_wait_and_not_for_ever(scene: Scene) -> None:
    first = await scene.claimed()
    await scene.settle(scene.in_doubt(first))
    assert await scene.resend() == 0, "its lease has not ended"
    assert await scene.stuck.newest_doubts(before=scene.clock.now()) == {}
    resends = 0
    for _ in range(10):
        scene.clock.advance(minutes=5)
        assert list(await scene.stuck.newest_doubts(before=scene.clock.now())) == [TENANT]
        if not await scene.resend():
            break
        resends += 1
        [again] = await scene.claims(first.message.id, owner=f"w/{resends}")
        await scene.settle(scene.in_doubt(again))
    message = await scene.stored(first)
    assert (message.status, message.attempts, resends) == ("in_doubt", 5, 4)
    events = [entry["event"] for entry in message.history]
    assert events == ["in_doubt", *["resent", "in_doubt"] * 4]
    assert message.history[1]["before"]["status"] == "in_doubt"


async def test_a_parked_message_stands_in_nobodys_way_and_comes_back(scene: Scene) -> None:
    line = ObjectId()
    first, second = [await scene.insert(TENANT, conversation_id=line) for _ in range(2)]
    [claim] = await scene.claims(first.id)
    now = scene.clock.now()
    until = now + timedelta(hours=24)
    await scene.settle(
        Parked(claim=claim, at=now, until=until, error={"code": 131049}, expires_at=FAR)
    )
    parked = await scene.stored(claim)
    assert (parked.status, parked.attempts, parked.next_attempt_at) == ("queued", 0, until)
    assert await scene.outbox.heads([line]) == {line: second.id}
    assert [m.id for m in await scene.outbox.due(TENANT, now=FAR, limit=10)] == [second.id]
    assert await scene.stuck.oldest_parked(before=until) == {}
    scene.clock.advance(hours=24, seconds=1)
    assert await scene.stuck.oldest_parked(before=scene.clock.now()) == {TENANT: until}
    await scene.stuck.return_parked(TENANT, now=scene.clock.now())
    assert await scene.outbox.heads([line]) == {line: first.id}
    [back] = await scene.outbox.find_queued([first.id])
    assert back.expires_at == FAR
    assert await scene.stuck.oldest_parked(before=FAR) == {}


async def test_put_off_until_their_own_times(scene: Scene) -> None:
    messages = [await scene.insert(TENANT) for _ in range(3)]
    now = scene.clock.now()
    until = {m.id: now + timedelta(seconds=n + 1) for n, m in enumerate(messages[:2])}
    await scene.outbox.put_off(until)
    due = await scene.outbox.due(TENANT, now=now, limit=10)
    assert [message.id for message in due] == [messages[2].id]
    assert await scene.outbox.next_due(TENANT, after=now) == now + timedelta(seconds=1)


async def test_history_is_bounded_and_keeps_the_newest(scene: Scene) -> None:
    claim = await scene.claimed()
    for n in range(30):
        await scene.settle(scene.requeued(claim, counts=True))
        [claim] = await scene.claims(claim.message.id, owner=f"w/{n}")
    history = (await scene.stored(claim)).history
    assert [entry["attempt"] for entry in history] == list(range(11, 31))
    assert {entry["event"] for entry in history} == {"refused"}


async def test_a_wamid_that_another_message_has_still_settles_and_spoils_no_neighbour(
    scene: Scene,
) -> None:
    first, second, third = [await scene.claimed() for _ in range(3)]
    await scene.settle(scene.sent(first, "wamid.1"))
    await scene.settle(scene.sent(second, "wamid.1"), scene.sent(third, "wamid.3"))
    stored = [await scene.stored(claim) for claim in (first, second, third)]
    assert [message.status for message in stored] == ["sent"] * 3
    assert [message.wamid for message in stored] == ["wamid.1", None, "wamid.3"]


async def test_only_an_expired_lease_is_expired(scene: Scene) -> None:
    claim = await scene.claimed()
    other = await scene.insert(TENANT)
    assert await scene.stuck.expired(TENANT, now=scene.clock.now() + LEASE, limit=10) == []
    after = scene.clock.now() + LEASE + timedelta(milliseconds=1)
    [expired] = await scene.stuck.expired(TENANT, now=after, limit=10)
    assert (expired.message.id, expired.owner) == (claim.message.id, claim.owner)
    assert await scene.stuck.expired(ObjectId(), now=after, limit=10) == []
    assert other.id != expired.message.id


async def test_the_first_unsettled_leads_its_line(scene: Scene) -> None:
    line, other = ObjectId(), ObjectId()
    first, second, third = [await scene.insert(TENANT, conversation_id=line) for _ in range(3)]
    single = await scene.insert(TENANT, conversation_id=other)

    async def heads() -> dict[ObjectId, ObjectId]:
        found: dict[ObjectId, ObjectId] = await scene.outbox.heads([line, other])
        return found

    assert await heads() == {line: first.id, other: single.id}
    [claim] = await scene.claims(first.id)
    assert (await heads())[line] == first.id
    following = await scene.outbox.next_in_line([line])
    assert following == []  # Its head is under way.
    await scene.settle(scene.requeued(claim))
    assert (await heads())[line] == first.id
    [again] = await scene.claims(first.id, owner="w/2")
    await scene.settle(scene.in_doubt(again))
    assert (await heads())[line] == second.id
    [following] = await scene.outbox.next_in_line([line])
    assert following.message_id == second.id
    [claim] = await scene.claims(second.id)
    await scene.settle(scene.failed(claim))
    assert (await heads())[line] == third.id
    assert await scene.outbox.heads([ObjectId()]) == {}


async def test_due_is_what_waits_and_whose_time_has_come(scene: Scene) -> None:
    now = scene.clock.now()
    early = await scene.insert(TENANT)
    scene.clock.advance(seconds=10)
    late = await scene.insert(TENANT)
    await scene.insert(ObjectId())
    [claim] = await scene.claims((await scene.insert(TENANT)).id)
    due = await scene.outbox.due(TENANT, now=now + timedelta(seconds=1), limit=10)
    assert [message.id for message in due] == [early.id]
    due = await scene.outbox.due(TENANT, now=now + timedelta(hours=1), limit=10)
    assert [message.id for message in due] == [early.id, late.id]
    assert await scene.outbox.next_due(TENANT, after=now) == now + timedelta(seconds=10)
    assert await scene.outbox.next_due(TENANT, after=now + timedelta(hours=1)) is None
    assert claim.message.id not in {message.id for message in due}


async def test_oldest_due_tells_each_tenants_own(scene: Scene) -> None:
    other = ObjectId()
    first = scene.clock.now()
    await scene.insert(TENANT)
    scene.clock.advance(seconds=5)
    for tenant_id in (TENANT, other):
        for _ in range(3):
            await scene.insert(tenant_id)
    found = await scene.stuck.oldest_due(MessageStatus.QUEUED, before=first + timedelta(seconds=6))
    assert found == {
        TENANT: first,
        other: first + timedelta(seconds=5),
    }
    found = await scene.stuck.oldest_due(MessageStatus.QUEUED, before=first + timedelta(seconds=1))
    assert found == {TENANT: first}
    assert await scene.stuck.oldest_due(MessageStatus.QUEUED, before=first) == {}


async def test_every_line_has_its_head_also_behind_a_very_long_one(scene: Scene) -> None:
    long, short = ObjectId(), ObjectId()
    for line, length in ((long, 60), (short, 2)):
        for _ in range(length):
            await scene.insert(TENANT, conversation_id=line)
    for lines in ([long, short], [short, long, ObjectId()], [long], [short] * 3):
        heads = await scene.outbox.heads(lines)
        assert heads.keys() == set(lines) & {long, short}
        for line, head in heads.items():
            queued = await scene.outbox.due(TENANT, now=FAR, limit=100)
            assert head == next(m.id for m in queued if m.conversation_id == line)


async def test_parked_behind_and_brought_back(scene: Scene) -> None:
    line = ObjectId()
    first, second = [await scene.insert(TENANT, conversation_id=line) for _ in range(2)]
    now = scene.clock.now()
    follower = await scene.outbox.find_queued([second.id])
    await scene.outbox.park_behind(follower, until=now + timedelta(minutes=1))
    due = await scene.outbox.due(TENANT, now=now, limit=10)
    assert [message.id for message in due] == [first.id]
    assert await scene.outbox.next_due(TENANT, after=now) == now + timedelta(minutes=1)
    [claim] = await scene.claims(first.id)
    await scene.settle(scene.sent(claim))
    [following] = await scene.outbox.next_in_line([line])
    assert following.behind
    await scene.outbox.unpark([following.message_id], now=now)
    [back] = await scene.outbox.due(TENANT, now=now, limit=10)
    assert (back.id, back.behind) == (second.id, False)


def _as_read(scene: Scene, pending: Pending, owner: str = "w/late") -> Claim:
    now = scene.clock.now()
    return Claim(message=pending, owner=owner, claimed_at=now, expires_at=now + LEASE)


@pytest.mark.parametrize("wait", ["requeued", "parked"])
async def test_what_was_told_to_wait_since_it_was_read_is_not_claimed(
    scene: Scene, wait: str
) -> None:
    """A worker that was held up between its query and its claim, or lingered for slots."""
    message = await scene.insert(TENANT)
    [read_before] = await scene.outbox.find_queued([message.id])
    [claim] = await scene.claims(message.id)
    if wait == "requeued":
        await scene.settle(scene.requeued(claim, counts=True))
    else:
        await scene.settle(_parked(scene, claim))
    late = _as_read(scene, read_before)
    assert await scene.outbox.claim([late], now=scene.clock.now()) == []
    stored = await scene.stored(claim)
    assert (stored.status, stored.attempts) == ("queued", int(wait == "requeued"))


async def test_one_behind_that_became_the_head_is_claimed_before_its_time(scene: Scene) -> None:
    message = await scene.insert(TENANT)
    [pending] = await scene.outbox.find_queued([message.id])
    await scene.outbox.park_behind([pending], until=FAR)
    assert len(await scene.claims(message.id)) == 1


async def test_a_late_answer_leaves_nothing_of_a_long_wait(scene: Scene) -> None:
    """Or the relay would look after it, and wake its number, in every round for ever."""
    claim = await scene.claimed()
    await scene.settle(scene.in_doubt(claim))
    scene.clock.advance(minutes=5)
    await scene.resend()
    [again] = await scene.claims(claim.message.id, owner="w/2")
    await scene.settle(_parked(scene, again))
    assert await scene.stuck.oldest_parked(before=FAR) != {}
    await scene.settle(scene.sent(claim))
    assert (await scene.stored(claim)).status == "sent"
    assert await scene.stuck.oldest_parked(before=FAR) == {}


async def test_long_waits_are_counted_by_round(scene: Scene) -> None:
    claim = await scene.claimed()
    await scene.settle(_parked(scene, claim))
    scene.clock.advance(hours=25)
    await scene.stuck.return_parked(TENANT, now=scene.clock.now())
    [back] = await scene.claims(claim.message.id, owner="w/2")
    assert back.message.long_waits == 1
    await scene.settle(scene.in_doubt(back))
    scene.clock.advance(minutes=5)
    assert await scene.resend() == 1
    [anew] = await scene.outbox.find_queued([claim.message.id])
    assert anew.long_waits == 0


def _parked(scene: Scene, claim: Claim) -> Parked:
    now = scene.clock.now()
    until = now + timedelta(hours=24)
    return Parked(claim=claim, at=now, until=until, error={"code": 131049}, expires_at=FAR)


async def test_a_doubt_whose_lease_runs_is_not_resent_however_short_the_wait(scene: Scene) -> None:
    """IN_DOUBT_WAIT_SECONDS may be shorter than the lease."""
    await scene.settle(scene.in_doubt(await scene.claimed()))
    scene.clock.advance(seconds=10)
    now = scene.clock.now()
    at_once = {"doubted_before": now, "now": now, "expires_at": FAR}
    assert await scene.stuck.resend(TENANT, **at_once) == 0
    scene.clock.advance(seconds=21)
    at_once["now"] = scene.clock.now()
    assert await scene.stuck.resend(TENANT, **at_once) == 1


@pytest.mark.parametrize("parked", [False, True])
async def test_a_claim_that_comes_after_its_hand_back_wins_nothing(
    scene: Scene, *, parked: bool
) -> None:
    """A store that stood still may execute them in either order when it wakes."""
    message = await scene.insert(TENANT)
    [pending] = await scene.outbox.find_queued([message.id])
    now = max(scene.clock.now(), pending.due_at)
    if parked:
        await scene.outbox.park_behind([pending], until=now + timedelta(minutes=1))
    claim = Claim(message=pending, owner="w/1", claimed_at=now, expires_at=now + LEASE)
    due_at = now + timedelta(milliseconds=251)
    back = Requeued(claim=claim, at=now, due_at=due_at, claim_under_way=True)
    await scene.outbox.settle([back])
    assert await scene.outbox.claim([claim], now=now) == []
    # In the usual order, and again.
    await scene.outbox.settle([back, back])
    [again] = await scene.outbox.find_queued([message.id])
    assert again.attempts == 0
    other = Claim(message=again, owner="w/2", claimed_at=due_at, expires_at=due_at + LEASE)
    assert await scene.outbox.claim([other], now=due_at) == [other]
    await scene.outbox.settle([back])
    assert await scene.outbox.find_queued([message.id]) == []
