"""Ours alone, for whoever changes it: a minute instead of many.

`fastest` asks how much is taken, `steady` what a given load costs. Compare two versions in turns,
by CPU per request first: it minds the rest of the machine least.
"""

import secrets
from collections.abc import Callable, Iterator
from itertools import count

from bench import closed_loop, cpu, open_loop, work
from bench.figures import Figures
from bench.forms import HUNDRED
from bench.names import OURS, cpu_of
from bench.ours import Ours
from bench.programs import BenchError
from bench.rest import Owed
from bench.round import Round
from bench.side_by_side import told
from bench.stage import Stage
from bench.store import from_now_on

ITEMS_PER_SECOND = 1000.0
REPLY_SECONDS = 5.0

Say = Callable[[str], None]


async def fastest(*, rounds: int, seconds: float, say: Say) -> None:
    """All kinds of work with a hundred tenants; raises `BenchError`."""
    figures = Figures()
    async with Stage() as stage:
        ours = Ours(stage, app_secret=secrets.token_hex(16))
        for number in range(1, rounds + 1):
            ours.start(tenants=HUNDRED.tenants)
            try:
                seen = Round(stage, ours, HUNDRED, number=number, seconds=seconds).run()
            finally:
                ours.stop()
            figures.add(HUNDRED.name, OURS, seen)
            say(told(seen))
    for one in figures:
        say(f"{one.key.work:10} {one.key.what:36} {one.told()}")


async def steady(*, seconds: float, say: Say) -> None:
    """One message to three statuses at a given pace; raises `BenchError`."""
    async with Stage() as stage:
        ours = Ours(stage, app_secret=secrets.token_hex(16))
        ours.start(tenants=HUNDRED.tenants)
        try:
            _steady(stage, ours, seconds, say)
        finally:
            ours.stop()


def _steady(stage: Stage, ours: Ours, seconds: float, say: Say) -> None:
    file = stage.requests
    most = int(ITEMS_PER_SECOND * (seconds + open_loop.WARM_UP_SECONDS))
    since = from_now_on()
    _reply_to(stage, ours, most // 4 + work.APART)
    statuses = work.statuses(list(ours.store.replies(since)), app_secret=ours.app_secret)
    work.write(work.mixture(_messages(ours, most, series=0), statuses), file)
    stage.come_to_rest(ours.store)
    pids = ours.pids | stage.pids
    before = cpu.read(pids)
    paced = open_loop.send(file, url=ours.urls[0], per_second=ITEMS_PER_SECOND, seconds=seconds)
    spent = cpu.between(before, cpu.read(pids))
    say(
        f"{paced.per_second:,.0f} requests a second, refused {paced.refused}; answered within"
        f" {paced.p50_ms:.1f} ms (median), {paced.p99_ms:.1f} ms (99th), {paced.max_ms:.0f} ms"
    )
    for role, used in spent.by_role.items():
        say(f"{cpu_of(role)}: {used * 1e6 / most:,.0f}")
    say(f"others took {spent.elsewhere_share:.0%} of the machine")


def _reply_to(stage: Stage, ours: Ours, messages: int) -> None:
    """At least so many, so that there is something for statuses to speak of."""
    file, series = stage.requests, count(1)
    while ours.store.size() // 2 < messages:
        work.write(_messages(ours, messages, series=next(series)), file)
        owed = Owed(stage.graph, ours.store)
        if closed_loop.send(file, urls=ours.urls, seconds=REPLY_SECONDS).refused:
            raise BenchError("not all messages were answered 200")
        owed.wait()


def _messages(ours: Ours, count: int, *, series: int) -> Iterator[work.Request]:
    return work.messages(count, tenants=HUNDRED.tenants, app_secret=ours.app_secret, series=series)
