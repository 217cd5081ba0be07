"""What Meta does to webhooks: delivers one several times at once, mixes poison into them."""

import asyncio
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from tests.e2e.conftest import StartUp
from tests.e2e.proof.oracle import Evidence, assert_true, figures
from tests.e2e.proof.stage import Line, Stage, open_stage
from tests.e2e.proof.store import Stored, at_rest
from tests.e2e.proof.talk import Talk, deliver, message, webhook

WEBHOOKS = 1000
COPIES = 3
TENANTS = 10
CUSTOMERS = 250
AT_ONCE = 60
"""Webhooks that are under way at once, each three times."""

POISON: dict[str, dict[str, Any]] = {
    "surrogate": {"text": {"body": "half a pair: \ud83d"}},
    "integer": {"count": 2**64},
    "nul-key": {"more": {"a\x00b": 1}},
    "depth": {"more": None},
}
for _ in range(300):
    POISON["depth"]["more"] = {"more": POISON["depth"]["more"]}
GOOD = 50


def people(lines: Sequence[Line], count: int) -> list[Talk]:
    """So many customers, spread over the tenants; each number writes to two of them."""
    return [
        Talk(lines[place % len(lines)], str(919_000_000_000 + place // 2)) for place in range(count)
    ]


def in_stored_order(talks: Sequence[Talk], stored: Sequence[Stored]) -> None:
    """Webhooks of one customer that race each other were accepted in the order of the store."""
    order = {one.key: place for place, one in enumerate(stored)}
    for talk in talks:
        talk.promised.sort(key=lambda key: order.get(key, -1))


async def test_each_of_a_thousand_webhooks_three_times_at_once(start_up: StartUp) -> None:
    async with open_stage(start_up) as stage:
        talks = people(stage.register(TENANTS), CUSTOMERS)
        answers = await _deliver_all(stage, talks)
        assert answers == {200: WEBHOOKS * COPIES}

        stored = await at_rest(stage)
        in_stored_order(talks, stored)
        evidence = Evidence(talks, stored, stage.journal)
        assert_true(evidence, stage)
        sys.stdout.write(f"{figures(evidence)}\n")
        assert Counter(one.direction for one in stored) == {"IN": WEBHOOKS, "OUT": WEBHOOKS}
        summary = stage.simulator.journal.summary()
        assert (summary["posts"], summary["distinct_opaque"]) == (WEBHOOKS, WEBHOOKS)
        assert (summary["accepted"], summary["doubled"]) == (WEBHOOKS, [])
        assert len(summary["by_number"]) == TENANTS
        await _assert_people(stage, {(talk.line.tenant_id, talk.customer) for talk in talks})


async def _deliver_all(stage: Stage, talks: Sequence[Talk]) -> Counter[int]:
    """Every webhook three times at once; how often each status was answered."""
    room = asyncio.Semaphore(AT_ONCE)
    answers: Counter[int] = Counter()

    async def thrice(place: int) -> None:
        talk = talks[place % len(talks)]
        wamid = f"wamid.{place:04}"
        body = webhook(talk.line.number, [message(wamid, talk.customer)])
        async with room:
            answers.update(await asyncio.gather(*(deliver(stage, body) for _ in range(COPIES))))
        talk.heard(wamid)

    await asyncio.gather(*(thrice(place) for place in range(WEBHOOKS)))
    return answers


async def _assert_people(stage: Stage, people: set[tuple[str, str]]) -> None:
    """One customer and one conversation each, whoever raced to be the first."""
    async with stage.mongo() as client:
        database = client.get_default_database()
        customers = await database["customers"].find().to_list()
        conversations = await database["conversations"].find().to_list()
    found = [(str(one["tenantId"]), one["waId"].removeprefix("+")) for one in customers]
    assert sorted(found) == sorted(people)
    assert sorted(one["_id"] for one in conversations) == sorted(one["_id"] for one in customers)


async def test_poison_among_good_ones_harms_only_itself(start_up: StartUp) -> None:
    async with open_stage(start_up) as stage:
        [line] = stage.register(1)
        talks = [Talk(line, str(919_000_000_000 + place)) for place in range(GOOD)]
        for kind in POISON:
            await _in_one_webhook(stage, talks, [kind])
        await _in_one_webhook(stage, talks, list(POISON))
        await _in_webhooks_of_their_own(stage, talks)

        stored = await at_rest(stage)
        in_stored_order(talks, stored)
        assert_true(Evidence(talks, stored, stage.journal), stage)
        expected = Counter(dict.fromkeys(POISON, 3))
        assert await _quarantined(stage, line) == expected


def poisoned(kinds: Iterable[str], where: str) -> list[dict[str, Any]]:
    """A message of each kind, with an id of its own."""
    return [message(f"wamid.{where}.poison.{kind}", "919", **POISON[kind]) for kind in kinds]


async def _in_one_webhook(stage: Stage, talks: Sequence[Talk], kinds: Sequence[str]) -> None:
    """One flush: the good ones of every talk, with the poison in their middle."""
    name = "+".join(kinds)
    good = [message(f"wamid.{name}.{talk.customer}", talk.customer) for talk in talks]
    bad = poisoned(kinds, name)
    middle = len(good) // 2
    body = webhook(talks[0].line.number, [*good[:middle], *bad, *good[middle:]])
    assert await deliver(stage, body) == 200, name
    for talk, one in zip(talks, good, strict=True):
        talk.heard(one["id"])


async def _in_webhooks_of_their_own(stage: Stage, talks: Sequence[Talk]) -> None:
    """Flushes shared by concurrent requests: nobody pays for a neighbour's poison."""
    number = talks[0].line.number
    good = [message(f"wamid.own.{talk.customer}", talk.customer) for talk in talks]
    bad = poisoned(POISON, "own")
    bodies = [webhook(number, [one]) for one in (*good[:25], *bad, *good[25:])]
    answers = await asyncio.gather(*(deliver(stage, body) for body in bodies))
    assert Counter(answers) == {200: len(bodies)}
    for talk, one in zip(talks, good, strict=True):
        talk.heard(one["id"])


async def _quarantined(stage: Stage, line: Line) -> Counter[str]:
    """How often each kind of poison lies there; each with its tenant, what came, and why."""
    kinds: dict[str, int] = defaultdict(int)
    async with stage.mongo() as client:
        async for one in client.get_default_database()["quarantine"].find():
            assert (str(one["tenantId"]), one["phoneNumberId"]) == (line.tenant_id, line.number)
            assert one["reason"]
            [kind] = [kind for kind in POISON if f'.poison.{kind}"'.encode() in one["raw"]]
            kinds[kind] += 1
    return Counter(kinds)
