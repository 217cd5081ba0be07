"""Order per recipient, and nobody waits for somebody else's recipient or number."""

import asyncio
import time
from collections import defaultdict
from typing import Any

ONE, TWO = "111111111111111", "222222222222222"
SLOW, OTHER = "+919012345678", "+919012345679"


def accepted(simulator: Any) -> dict[str, list[str]]:
    """Per recipient the texts that Graph took, in the order in which it took them."""
    found: dict[str, list[str]] = defaultdict(list)
    for entry in simulator.journal.entries:
        if entry.outcome == "accepted":
            found[entry.to].append(entry.body)
    return found


async def until_posts(simulator: Any, eventually: Any, count: int) -> None:
    await eventually(lambda: len(simulator.journal.entries) >= count)


async def test_the_second_waits_for_a_slow_first_and_others_do_not(
    backend: Any, simulator: Any, eventually: Any
) -> None:
    tenant_id = await backend.register()
    # No statuses: they do not wait for the answer, and whoever hears that Graph took the first need
    # not wait for it either.
    simulator.set_faults(
        {"fault": {"kind": "late", "seconds": 0.4}, "match": {"to": SLOW}},
        {"fault": "drop_webhook"},
    )
    await backend.start_worker()
    for n in range(3):
        await backend.sent(tenant_id, to=SLOW, text=f"{n}")
    for n in range(3):
        await backend.sent(tenant_id, to=OTHER, text=f"{n}")
    await until_posts(simulator, eventually, 6)
    entries = simulator.journal.entries
    assert accepted(simulator) == {SLOW: ["0", "1", "2"], OTHER: ["0", "1", "2"]}
    slow = [e.at for e in entries if e.to == SLOW]
    assert slow[1] - slow[0] >= 0.39
    assert slow[2] - slow[1] >= 0.39
    assert max(e.at for e in entries if e.to == OTHER) < slow[2]


async def test_the_second_waits_while_the_first_is_tried_again(
    backend: Any, simulator: Any, eventually: Any
) -> None:
    tenant_id = await backend.register()
    simulator.set_faults(
        {"fault": {"kind": "error", "code": 131016}, "match": {"to": SLOW}, "times": 3}
    )
    await backend.start_worker()
    for text in ("a", "b", "c"):
        await backend.sent(tenant_id, to=SLOW, text=text)
    await backend.sent(tenant_id, to=OTHER, text="x")
    await until_posts(simulator, eventually, 7)
    assert [e.body for e in simulator.journal.entries if e.to == SLOW] == ["a"] * 4 + ["b", "c"]
    assert accepted(simulator)[OTHER] == ["x"]


async def test_a_first_that_fails_for_good_lets_the_second_go(backend: Any, simulator: Any) -> None:
    tenant_id = await backend.register()
    simulator.set_faults({"fault": {"kind": "error", "code": 131026}, "times": 1})
    await backend.start_worker()
    first = await backend.sent(tenant_id, text="a")
    second = await backend.sent(tenant_id, text="b")
    await backend.until_status(tenant_id, second, "read")
    assert (await backend.message(tenant_id, first))["status"] == "failed"


async def test_many_lines_over_three_workers_stay_in_order(
    backend: Any, simulator: Any, eventually: Any
) -> None:
    one, two = await backend.register(ONE), await backend.register(TWO)
    simulator.set_faults(
        # So rare that no message is refused five times, which would be the end of it.
        {"fault": {"kind": "error", "code": 2}, "probability": 0.08, "seed": 1},
        {"fault": {"kind": "late", "seconds": 0.03}, "probability": 0.3, "seed": 2},
    )
    for _ in range(3):
        await backend.start_worker()
    people = [f"+9190123400{n:02}" for n in range(12)]
    for n in range(10):
        await asyncio.gather(
            *(backend.sent((one, two)[at % 2], to=to, text=f"{n}") for at, to in enumerate(people))
        )
    await eventually(lambda: sum(map(len, accepted(simulator).values())) == 120, within=30)
    for texts in accepted(simulator).values():
        assert texts == [f"{n}" for n in range(10)]
    assert simulator.journal.summary()["doubled_accepted"] == []


async def test_a_broadcast_to_one_recipient_and_one_message_to_another(
    backend: Any, simulator: Any, eventually: Any
) -> None:
    """Three hundred behind one that is slow: the other is not to wait for any of them."""
    tenant_id = await backend.register()
    simulator.set_faults(
        {"fault": {"kind": "late", "seconds": 0.3}, "match": {"to": SLOW}, "times": 1}
    )
    await asyncio.gather(*(backend.sent(tenant_id, to=SLOW, text=f"{n}") for n in range(250)))
    await backend.sent(tenant_id, to=OTHER, text="x")
    started = time.time()
    await backend.start_worker()
    await eventually(lambda: OTHER in accepted(simulator))
    assert len(accepted(simulator)[SLOW]) <= 5
    await eventually(lambda: len(accepted(simulator)[SLOW]) >= 30, within=10)
    assert time.time() - started < 10


async def test_a_number_whose_calls_hang_delays_no_other(
    backend: Any, simulator: Any, eventually: Any
) -> None:
    one, two = await backend.register(ONE), await backend.register(TWO)
    simulator.set_faults({"fault": "hang", "match": {"phone_number_id": ONE}})
    await backend.start_worker(worker_in_flight=64, call_deadline_seconds=2.0, lease_seconds=8.0)
    people = [f"+91901234{n:04}" for n in range(120)]
    await asyncio.gather(*(backend.sent(one, to=to) for to in people))
    await eventually(lambda: len(simulator.journal.entries) >= 16)
    for n in range(5):
        asked = time.time()
        message_id = await backend.sent(two, text=f"{n}")
        await eventually(
            lambda wanted=message_id: any(
                e.biz_opaque_callback_data == wanted for e in simulator.journal.entries
            )
        )
        assert time.time() - asked < 1.0
