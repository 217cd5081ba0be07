"""Processes that end at an exact place, life after life, and are started again."""

from collections.abc import Sequence

from tests.faults.processes import Process
from tests.faults.stage import Moment, Stage

LIVES = 2
LATEST_PASSING = 6
BETWEEN = 20
"""Messages taken before each end, and after the last."""


async def killed_at(stage: Stage, processes: Sequence[Process], place: str, moment: Moment) -> str:
    """Under load: kill -9 of one process after the other at a passing that the seed draws.

    Each is started again, as whatever looks after it would do. Answers what was drawn.
    """
    passings = []
    async with stage.load() as load:
        for life in range(LIVES):
            await load.took(BETWEEN)
            process = processes[life % len(processes)]
            passings.append(stage.dice.randint(1, LATEST_PASSING))
            stage.arm(process, place, moment, nth=passings[-1])
            await stage.burnt(process)
            await stage.start(process)
        await load.took(BETWEEN)
    return f"died at passing {' and '.join(map(str, passings))}"
