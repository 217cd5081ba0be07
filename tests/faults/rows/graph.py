"""Graph: errors of its server, no answer, half an answer, nobody there, limits, a dead token."""

import asyncio
import time
from collections import Counter

from graphsim.journal import Entry
from tests.e2e.proof.stage import Line
from tests.e2e.proof.talk import Talk, deliver, message, webhook
from tests.faults.processes import until
from tests.faults.row import row
from tests.faults.stage import Stage
from tests.faults.verdict import come_to_rest

MINUTE_SECONDS = 60.0
LONG_REST_SECONDS = 120.0
"""A message that was not taken for a minute is looked at every half a minute."""
SHORT_SECONDS = 5.0
TAKEN = 130
"""Messages of a load that meets a fault which strikes some of them."""
FEWEST_STRUCK = 3
LOAD_OF_A_MINUTE = 300
"""Messages of one load: a customer who was sent 45 is written to more slowly."""
SOON_SECONDS = 20.0
BATCH = 120
BEFORE_THE_TOKEN_DIES = 20
BEHIND = 30
"""Messages that come while their tenant is paused."""
DYING_TOKEN = "EAAG-a-token-that-dies"


async def _struck(stage: Stage, *faults: dict[str, object], probability: float) -> str:
    """Each fault strikes so large a part of all POSTs, while customers write; then none does."""
    seed = stage.dice.randrange(2**32)
    stage.fault(
        *(
            {"fault": fault, "probability": probability, "seed": seed + place}
            for place, fault in enumerate(faults)
        )
    )
    async with stage.load() as load:
        await load.took(TAKEN)
        struck = Counter(_shown(post) for post in stage.journal if post.fault)
        stage.no_more_faults()
        await load.took(30)
    few = f"it struck only {dict(struck)}: the row proves nothing"
    assert sum(struck.values()) >= len(faults) * FEWEST_STRUCK, few
    return ", ".join(f"{count} {name}" for name, count in sorted(struck.items()))


def _shown(post: Entry) -> str:
    taken = ", taken" if post.outcome == "accepted" else ""
    return f"{post.fault} {post.code}" if post.code else f"{post.fault}{taken}"


@row(
    done="half of all POSTs are answered 5xx with Graph's own error (2, 131016, 131000)",
    holds="each is tried again with growing waits, five times or three; none in doubt",
)
async def graph_server_errors(stage: Stage) -> str:
    return await _struck(
        stage,
        {"kind": "error", "code": 2},
        {"kind": "error", "code": 131016, "status": 502},
        {"kind": "error", "code": 131000},
        probability=0.2,
    )


@row(
    done="an eighth of all POSTs is never answered; half of those were taken",
    holds="none of those is POSTed again; who was taken is read at the end, by its statuses",
    doubts=True,
)
async def graph_hangs(stage: Stage) -> str:
    return await _struck(
        stage,
        {"kind": "hang"},
        {"kind": "hang", "point": "after_accept"},
        probability=0.06,
    )


@row(
    done="a quarter of all answers drips byte by byte, for 1 s or for longer than the deadline",
    holds="half an answer counts for none; every message is read at the end, by its statuses",
)
async def graph_drips(stage: Stage) -> str:
    return await _struck(
        stage,
        {"kind": "slow_drip", "seconds": 1.0},
        {"kind": "slow_drip", "seconds": 6.0},
        probability=0.12,
    )


@row(
    done="a fifth of all connections is reset when the body is sent, before the answer; half of"
    " those POSTs were taken",
    holds="none of those is POSTed again; who was taken is read at the end, by its statuses",
    doubts=True,
    short=True,
)
async def graph_resets(stage: Stage) -> str:
    return await _struck(
        stage,
        {"kind": "reset"},
        {"kind": "reset", "point": "after_accept"},
        probability=0.1,
    )


@row(
    done="a fifth of all answers is a page of HTML with 502, as from a proxy; half of those POSTs"
    " were taken; no statuses",
    holds="nobody can know, so each of those is in doubt, and none is POSTed again",
    doubts=True,
    simulated={"statuses": []},
)
async def graph_bad_gateway(stage: Stage) -> str:
    said = await _struck(
        stage,
        {"kind": "http", "status": 502},
        {"kind": "http", "status": 502, "point": "after_accept"},
        probability=0.1,
    )
    outcome = await come_to_rest(stage, doubts=True)
    doubted = {one.id for one in outcome.outgoing if one.status == "in_doubt"}
    told_nothing = {post.biz_opaque_callback_data for post in stage.journal if post.fault}
    assert doubted == told_nothing, f"violated: states true: {doubted ^ told_nothing}"
    return said


@row(
    done="a fifth of all POSTs is answered 429 with a page of HTML, as from a proxy",
    holds="it was turned away, so it is POSTed again, and the attempt does not count",
)
async def graph_too_many_requests(stage: Stage) -> str:
    return await _struck(stage, {"kind": "http", "status": 429}, probability=0.2)


@row(
    done="nobody answers at Graph's address for a minute",
    holds="what had not left waits, and counts no attempt; in doubt at most what was just leaving",
    doubts=True,
)
async def graph_unreachable_for_a_minute(stage: Stage) -> str:
    taken = 0
    async with stage.load() as load:
        await load.took(40)
    async with stage.unreachable():
        before, end = len(stage.journal), time.monotonic() + MINUTE_SECONDS
        while time.monotonic() < end:
            async with stage.load(customers=4) as load:
                await load.took(LOAD_OF_A_MINUTE)
            taken += load.taken
        arrived = len(stage.journal) - before
        assert not arrived, f"{arrived} POSTs arrived all the same: the row proves nothing"
    async with stage.load() as load:
        await load.took(40)
    await come_to_rest(stage, doubts=True, seconds=LONG_REST_SECONDS)
    return f"{taken} taken meanwhile"


@row(
    done="nobody answers at Graph's address for 5 s, with POSTs in flight",
    holds="what had not left waits, and counts no attempt; in doubt at most what was just leaving",
    doubts=True,
    short=True,
)
async def graph_unreachable(stage: Stage) -> str:
    async with stage.load() as load:
        await load.took(50)
        await stage.busy(2)
        async with stage.unreachable():
            before = load.taken
            await asyncio.gather(asyncio.sleep(SHORT_SECONDS), load.took(50))
            meanwhile = load.taken - before
        await load.took(50)
    return f"{meanwhile} taken meanwhile"


@row(
    done="Graph takes 8 messages a second of each number, we believe in 80: the rest is refused"
    " with 130429",
    holds="the number slows down, no attempt counts, none fails",
    simulated={"messages_per_second": 8},
)
async def graph_rate_of_number(stage: Stage) -> str:
    async with stage.load() as load:
        await load.took(TAKEN)
    outcome = await come_to_rest(stage, doubts=False)
    refused = sum(1 for post in stage.journal if post.code == 130429)
    assert refused, "Graph refused nothing: the row proves nothing"
    states = Counter(one.status for one in outcome.outgoing)
    assert set(states) == {"read"}, f"violated: states true: {dict(states)}"
    return f"{refused} times refused"


@row(
    done="a seventh of all POSTs is refused with 131056: too many to this one customer",
    holds="only this customer waits, no attempt counts, and their order stays",
)
async def graph_rate_of_pair(stage: Stage) -> str:
    return await _struck(stage, {"kind": "error", "code": 131056}, probability=0.14)


@row(
    done="a tenant's token dies (190) in the middle of a batch of 120; more comes in; then the"
    " tenant is repaired with PATCH",
    holds="the tenant is paused and not called, nobody else waits, none fails; then all of it goes",
    short=True,
)
async def graph_token_dies(stage: Stage) -> str:
    [line] = await stage.register(1, accessToken=DYING_TOKEN)
    async with stage.load() as load:
        await load.took(20)
        await _write(stage, line, BATCH)
        await _called(stage, line, BEFORE_THE_TOKEN_DIES)
        stage.simulator.settings.bad_tokens = {DYING_TOKEN}
        await _status(stage, line, "paused")
        await _write(stage, line, BEHIND)
        await load.took(60)
        refused = [post for post in _posts(stage, line) if post.code == 190]
        calls = len(_posts(stage, line))
        await load.took(60)
        more = len(_posts(stage, line)) - calls
        assert not more, f"violated: it is not called while it is paused: {more} POSTs more"
        await stage.patch(line, accessToken=f"{DYING_TOKEN}-and-lives-again")
        await _status(stage, line, "active")
        await load.took(20)
    outcome = await come_to_rest(stage, doubts=False)
    states = Counter(one.status for one in outcome.outgoing)
    assert set(states) == {"read"}, f"violated: states true: {dict(states)}"
    taken = sum(1 for post in _posts(stage, line) if post.outcome == "accepted")
    assert taken == BATCH + BEHIND, f"violated: all of it goes: {taken} of {BATCH + BEHIND}"
    return f"{len(refused)} refused with 190"


def _posts(stage: Stage, line: Line) -> list[Entry]:
    return [post for post in stage.journal if post.phone_number_id == line.number]


async def _write(stage: Stage, line: Line, customers: int) -> None:
    """So many new customers write, all in one webhook."""
    talks = [Talk(line, stage.new_customer()) for _ in range(customers)]
    wamids = [f"wamid.{talk.customer}.once" for talk in talks]
    written = [message(w, talk.customer) for w, talk in zip(wamids, talks, strict=True)]
    assert await deliver(stage.as_proof, webhook(line.number, written)) == 200
    for wamid, talk in zip(wamids, talks, strict=True):
        talk.heard(wamid)
    stage.talks += talks


async def _called(stage: Stage, line: Line, times: int) -> None:
    """Graph was called for this number so often."""
    await until(
        lambda: len(_posts(stage, line)) >= times,
        seconds=SOON_SECONDS,
        what=f"{times} POSTs of one number",
        poll=0.005,
    )


async def _status(stage: Stage, line: Line, wanted: str) -> None:
    """The API shows the tenant in this status."""
    deadline, status = time.monotonic() + SOON_SECONDS, ""
    while status != wanted:
        assert time.monotonic() < deadline, f"violated: the tenant is {status}, not {wanted}"
        await asyncio.sleep(0.05)
        async with stage.session.get(f"{stage.url}/tenants/{line.tenant_id}") as answer:
            status = (await answer.json()).get("status")
