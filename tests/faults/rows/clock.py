"""Machines whose clocks are wrong: by libfaketime, one process at a time."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.faults.processes import Process
from tests.faults.row import NotPlayableError, row
from tests.faults.stage import Stage

LIBRARY = "libfaketime.so.1"
PLACES = ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime")


def _library() -> Path:
    for place in PLACES:
        if (found := Path(place) / LIBRARY).exists():
            return found
    raise NotPlayableError(
        f"there is no {LIBRARY} here; apt-get install faketime, then play it again"
    )


async def _with_clock(stage: Stage, process: Process, offset: str) -> None:
    """Another life, whose wall clock is off and whose monotonic clock is not."""
    await process.stop()
    process.environment |= {
        "LD_PRELOAD": str(_library()),
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    await stage.start(process)


async def _play(stage: Stage, offset: str) -> str:
    _library()
    async with stage.load() as load:
        await load.took(20)
        await _with_clock(stage, stage.apis[0], offset)
        await _with_clock(stage, stage.workers[0], offset)
        await load.took(100)
        await stage.busy(2)
        stage.kill(stage.workers[0])
        await stage.workers[0].ended()
        await load.took(20)
        await stage.start(stage.workers[0])
    return f"clocks off by {_seen_offset(stage)}"


def _seen_offset(stage: Stage) -> str:
    """As the worker's own log tells it, or the row would prove nothing."""
    stamp = re.search(r"(\d{4}-\d\d-\d\dT[\d:.]+)Z.*worker\.ready", stage.workers[0].said)
    assert stamp, "the worker's log has no time"
    off = datetime.fromisoformat(stamp[1]).replace(tzinfo=UTC) - datetime.now(UTC)
    assert abs(off) > timedelta(minutes=9), f"the clock is off by {off} only"
    return f"{off.total_seconds() / 60:+.1f} min"


@row(
    done="one API process and one worker ten minutes ahead; that worker is killed with POSTs in"
    " flight",
    holds="no lease is broken early or held for ten minutes more, no message is taken for too old",
    doubts=True,
)
async def ten_minutes_ahead(stage: Stage) -> str:
    return await _play(stage, "+10m")


@row(
    done="one API process and one worker ten minutes behind; that worker is killed with POSTs in"
    " flight",
    holds="no lease is broken early or held for ten minutes more, no message waits ten minutes",
    doubts=True,
)
async def ten_minutes_behind(stage: Stage) -> str:
    return await _play(stage, "-10m")
