"""Half load: times to answer at a steady pace, in a window of time in which the machine is ours.

A shared host takes the disk or a core away now and then (see `bench.host`). Of a window in which it
did for a hundredth of the time, the 99th tells that and nothing of who was measured. So another
follows, and what the first one saw is told beside it. Which one counts depends on the host alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from bench import open_loop
from bench.figures import Seen
from bench.host import TakenAway
from bench.names import (
    ACKNOWLEDGED,
    ANSWER_99TH,
    ANSWER_99TH_FIRST,
    ANSWER_MEDIAN,
    ANSWER_MOST,
    TAKEN_AWAY,
    WINDOWS,
)
from bench.open_loop import WARM_UP_SECONDS, Paced
from bench.programs import BenchError
from bench.stage import Stage
from bench.work import Request

MOST_TAKEN_PERCENT = 0.5
MOST_WINDOWS = 6

HALF_LOAD = "half load"


@dataclass(frozen=True)
class Window:
    """What was seen, and how much of the time the host had taken away."""

    taken_percent: float
    paced: Paced


def measure(
    stage: Stage,
    requests: Iterator[Request],
    *,
    prepare: Callable[[Sequence[Request]], None],
    url: str,
    per_second: float,
    seconds: float,
) -> Seen:
    """Windows of that many requests a second, until the host takes next to nothing of one.

    The one counts of which it took least. Raises `BenchError`.
    """
    most = int(per_second * (WARM_UP_SECONDS + seconds))
    windows: list[Window] = []
    while len(windows) < MOST_WINDOWS and (some := list(islice(requests, most))):
        if len(some) < most and windows:
            break
        prepare(some)
        windows.append(_window(stage, url, per_second, seconds))
        if windows[-1].taken_percent <= MOST_TAKEN_PERCENT:
            break
    if not windows:
        raise BenchError("there is nothing to send at half load")
    return _seen(windows)


def _window(stage: Stage, url: str, per_second: float, seconds: float) -> Window:
    with TakenAway(stage.directory) as taken:
        paced = open_loop.send(stage.requests, url=url, per_second=per_second, seconds=seconds)
    if paced.refused:
        raise BenchError(f"{paced.refused} requests were refused at half load")
    return Window(taken.percent, paced)


def _seen(windows: Sequence[Window]) -> Seen:
    counts = min(windows, key=lambda window: window.taken_percent)
    return {
        (HALF_LOAD, ACKNOWLEDGED): counts.paced.per_second,
        (HALF_LOAD, ANSWER_MEDIAN): counts.paced.p50_ms,
        (HALF_LOAD, ANSWER_99TH): counts.paced.p99_ms,
        (HALF_LOAD, ANSWER_MOST): counts.paced.max_ms,
        (HALF_LOAD, TAKEN_AWAY): counts.taken_percent,
        (HALF_LOAD, ANSWER_99TH_FIRST): windows[0].paced.p99_ms,
        (HALF_LOAD, WINDOWS): float(len(windows)),
    }
