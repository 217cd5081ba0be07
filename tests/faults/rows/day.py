"""A whole day, fifty times as fast: what shows only after a hundred thousand messages."""

import os
from statistics import quantiles

from tests.faults.daylight import busiest, day
from tests.faults.dayplay import DayPlay
from tests.faults.footprint import MB, Allowance, footprints
from tests.faults.row import row
from tests.faults.stage import Stage
from tests.faults.verdict import come_to_rest

SPEED = 50
DAY_SECONDS = 24 * 3600 / SPEED
SECONDS_VARIABLE = "FAULTS_DAY_SECONDS"
"""A shorter day for who works on this row: as busy, but not as long."""
PER_SECOND = 30.0
"""Customers' messages, on average over the day; more than twice as many at its peaks. Nearly each
is answered, and each sixth is followed by a send: 110,000 messages in all. Two cores that are not
ours alone carry that easily, Meta and its customers besides."""
TENANTS = 40
AS_DELIVERED = {
    "CALL_DEADLINE_SECONDS": "15",
    "LEASE_SECONDS": "30",
    "RELAY_INTERVAL_SECONDS": "5",
    "RETRY_BASE_SECONDS": "1",
}
"""The settings' own defaults, not a stage's short times: here nothing is to be waited for."""
GATHERED = {"statuses_per_post": 10, "gather_seconds": 0.2}
"""Meta puts several updates into one webhook when there are many."""

# Half a day lies between the middles of the two quarters that are compared: some 55,000 messages,
# that is 27,000 for each process of a role. What is kept of each of them, and be it 300 bytes, is
# more than this. What may grow is less: 1,500 newcomers among the customers that an API process
# remembers take less than 1 MB; an evening that is busier than the morning, a few MB of buffers;
# cycles that Python lets lie until 50,000 objects have gathered (`base.memory`), some MB as well.
# Descriptors: an open one is a caller's connection or one of a pool, so there are as many as is
# asked at once, and that swings by dozens with whatever else this machine does. Who left one open
# for each webhook, call or batch would have thousands by then.
ALLOWED = Allowance(resident=8 * MB, descriptors=60)


@row(
    done="the traffic of one day of 40 tenants, fifty times as fast: a night, two peaks, newcomers"
    " and customers who return, seven kinds of messages, webhooks and sends that come twice",
    holds="memory and open descriptors of each process are flat: in the last quarter at most 8 MB"
    " and 60 descriptors above the second (medians)",
    by_hand=True,
    play_seconds=2400,
    environment=AS_DELIVERED,
    simulated=GATHERED,
)
async def day_at_fifty(stage: Stage) -> str:
    return await a_day(stage, seconds=float(os.environ.get(SECONDS_VARIABLE, DAY_SECONDS)))


async def a_day(stage: Stage, *, seconds: float) -> str:
    """Play one within so many seconds, at the pace of the long one; what was seen."""
    curve, acts = day(
        stage.dice, tenants=TENANTS, messages=round(PER_SECOND * seconds), seconds=seconds
    )
    play = DayPlay(stage, await stage.register(TENANTS))
    watched = [*stage.apis, *stage.workers, stage.valkey]
    async with footprints(watched, seconds=seconds) as found:
        await play.play(acts)
    await come_to_rest(stage, doubts=False)
    kept = play.messages + len(stage.journal)
    wrong = [line for one in found for line in one.wrong(ALLOWED, messages=kept // 2)]
    peaks = " and ".join(f"{hour:.1f}" for hour in curve.peaks)
    said = [
        f"{play.messages} messages of {play.people} customers, {play.sends} sends, {play.copies}"
        f" of both again, in {seconds / 60:.1f} minutes; peaks at {peaks} h, of"
        f" {busiest(acts, within=seconds / 288):.0f} a second",
        _webhooks(play),
        *(one.told for one in found),
    ]
    assert not wrong, "\n".join([f"violated: memory is flat: {'; '.join(wrong)}", *said])
    return "; ".join(said)


def _webhooks(play: DayPlay) -> str:
    """As the customers' side saw it, on the same two cores."""
    taken = play.webhook_seconds
    late = quantiles(taken, n=100, method="inclusive")
    return (
        f"webhooks answered after {late[49] * 1000:.0f} ms (median), {late[98] * 1000:.0f} ms"
        f" (p99), {max(taken):.2f} s at most, {play.unanswered} times not at all; the load itself"
        f" was late by {play.latest:.2f} s at most"
    )
