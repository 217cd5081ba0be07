"""What Meta does to webhooks: repeats them, sends them early, in any order, a thousand in one."""

import asyncio
import json
import time
from collections import Counter
from typing import Any

from tests.e2e.proof.stage import Line
from tests.e2e.proof.talk import Talk, deliver, message, webhook
from tests.faults.row import row
from tests.faults.stage import Stage
from tests.faults.verdict import come_to_rest

COPIES = 50
REPEATED = 4
IN_ONE = 1000
OF_A_LINE = IN_ONE // 4
UNSTORABLE: dict[str, Any] = {"count": 2**64}
"""An integer that BSON has no form for."""


@row(
    done="fifty copies of one webhook at once, to every API process, four times",
    holds="each copy is answered 200; one message, one answer",
    short=True,
)
async def fifty_copies(stage: Stage) -> str:
    answers: Counter[int] = Counter()
    async with stage.load() as load:
        for place in range(REPEATED):
            await load.took(20)
            talk = Talk(stage.lines[place], stage.new_customer())
            body = webhook(talk.line.number, [message(f"wamid.copied.{place}", talk.customer)])
            posts = [deliver(stage.as_proof, body) for _ in range(COPIES)]
            answers.update(await asyncio.gather(*posts))
            talk.heard(f"wamid.copied.{place}")
            stage.talks.append(talk)
    assert answers == {200: COPIES * REPEATED}, f"answered {dict(answers)}"
    return f"{COPIES * REPEATED} copies, all answered 200"


@row(
    done="every message's first status comes before the answer to its send",
    holds="every message is read at the end, none in doubt",
)
async def status_before_answer(stage: Stage) -> None:
    stage.fault({"fault": "early_status"})
    async with stage.load() as load:
        await load.took(150)
    await _all_read(stage)


@row(
    done="every message's statuses come in a wrong order, each three times at once, half of them"
    " before the answer to its send",
    holds="every message is read at the end: a status only raises",
    short=True,
)
async def statuses_shuffled(stage: Stage) -> None:
    seed = stage.dice.randrange(2**32)
    stage.fault(
        {"fault": "shuffle", "seed": seed},
        {"fault": {"kind": "duplicate", "copies": 3}},
        {"fault": "early_status", "probability": 0.5, "seed": seed},
    )
    async with stage.load() as load:
        await load.took(150)
    await _all_read(stage)


async def _all_read(stage: Stage) -> None:
    outcome = await come_to_rest(stage, doubts=False)
    states = Counter(one.status for one in outcome.outgoing)
    assert set(states) == {"read"}, f"violated: states true: {dict(states)}"


@row(
    done="one webhook with 1,000 changes of four tenants, one of which cannot be stored",
    holds="999 are stored and answered; one lies in quarantine with its raw bytes",
    short=True,
)
async def one_bad_of_a_thousand(stage: Stage) -> str:
    lines = await stage.register(4)
    talks = [Talk(lines[place % 4], stage.new_customer()) for place in range(IN_ONE)]
    bad = stage.dice.randrange(IN_ONE)
    async with stage.load() as load:
        await load.took(20)
        began = time.monotonic()
        status = await deliver(stage.as_proof, _in_one(talks, bad=bad))
        seconds = time.monotonic() - began
        await load.took(20)
    assert status == 200, f"answered {status}"
    for place, talk in enumerate(talks):
        if place != bad:
            talk.heard(_wamid(talk))
    stage.talks += talks
    assert await _quarantined(stage, talks[bad].line) == [_wamid(talks[bad])]
    return f"answered in {seconds:.2f} s; change {bad + 1} was the bad one"


def _wamid(talk: Talk) -> str:
    return f"wamid.in-one.{talk.customer}"


def _in_one(talks: list[Talk], *, bad: int) -> bytes:
    """One entry per tenant, one change per message, the bad one among them."""
    entries: dict[str, dict[str, Any]] = {}
    for place, talk in enumerate(talks):
        more = {"more": UNSTORABLE} if place == bad else {}
        body = webhook(talk.line.number, [message(_wamid(talk), talk.customer, **more)])
        [entry] = json.loads(body)["entry"]
        known = entries.setdefault(talk.line.number, {"id": talk.line.number, "changes": []})
        known["changes"] += entry["changes"]
    whole = {"object": "whatsapp_business_account", "entry": list(entries.values())}
    return json.dumps(whole).encode()


async def _quarantined(stage: Stage, line: Line) -> list[str]:
    """The wamids that lie there, each under its tenant."""
    found = []
    async with stage.mongo() as client:
        async for one in client.get_default_database()["quarantine"].find():
            assert str(one["tenantId"]) == line.tenant_id
            found.append(str(json.loads(one["raw"])["id"]))
    return found
