"""kill -9 of an API process at exact places of the way in.

Meta, whose webhook was not answered, posts it again, to whoever answers. Each row does it twice,
at passings that the seed draws, and starts the process again each time.
"""

from tests.faults.lives import killed_at
from tests.faults.row import row
from tests.faults.stage import Stage


@row(
    done="kill -9 of an API process before its insert, twice",
    holds="no doubt: it sends nothing; the webhook was not answered, and comes again",
    armed=("api",),
)
async def api_killed_before_insert(stage: Stage) -> str:
    return await killed_at(stage, stage.apis, "insert", "before")


@row(
    done="kill -9 of an API process after its insert, before the answer, twice",
    holds="no doubt; the webhook that comes again finds its message stored, and adds none",
    armed=("api",),
    short=True,
)
async def api_killed_after_insert(stage: Stage) -> str:
    return await killed_at(stage, stage.apis, "insert", "after")


@row(
    done="kill -9 of an API process between insert and wake-up, twice",
    holds="no doubt; the relay finds what nobody was woken for",
    armed=("api",),
)
async def api_killed_before_wake(stage: Stage) -> str:
    return await killed_at(stage, stage.apis, "wake", "before")
