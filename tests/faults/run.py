"""Plays one row: a stage, the fault, rest, the verdict."""

import asyncio
import random
import shutil
import tempfile
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.faults.opening import open_stage
from tests.faults.row import NotPlayableError, Row
from tests.faults.stage import Role, Stage
from tests.faults.verdict import come_to_rest

LOG_LINES = 12
STORES = ("mongod", "valkey")
USUAL = ("] request  ", "messages.settled")
"""In lines of the logs that tell nobody anything."""


@dataclass(frozen=True)
class Played:
    """What became of a row."""

    row: Row
    seed: int
    broken: str | None
    seconds: float
    seen: str = ""
    """Its figures."""
    failed: str = ""
    """What does not hold, and where the logs are."""
    skipped: str = ""
    """Why it could not be played here."""

    @property
    def held(self) -> bool:
        """It was played, and all of it holds."""
        return not self.failed and not self.skipped

    @property
    def line(self) -> str:
        """As printed when it ends."""
        head = f"{self.row.name:32} {self.seconds:5.1f} s"
        if self.skipped:
            return f"skipped {head}  {self.skipped}"
        if self.failed:
            broken = f" --broken {self.broken}" if self.broken else ""
            again = f"python -m tests.faults --seed {self.seed}{broken} {self.row.name}"
            return f"FAILED  {head}  again: {again}\n{self.failed}"
        return f"ok      {head}  {self.seen}"


async def play(row: Row, *, seed: int, broken: str | None) -> Played:
    """On a fresh stage; whatever goes wrong is the row's failure, and no later row's."""
    directory = Path(tempfile.mkdtemp(prefix=f"faults-{row.name}-"))
    began = time.monotonic()

    def after(**what: str) -> Played:
        return Played(row, seed, broken, time.monotonic() - began, **what)

    try:
        async with asyncio.timeout(row.play_seconds):
            seen = await _play(row, directory, seed=seed, broken=broken)
    except NotPlayableError as reason:
        shutil.rmtree(directory)
        return after(skipped=str(reason))
    except Exception as error:  # noqa: BLE001 - whatever it is, the row has failed
        failed = f"{_told(error)}\n    seed {seed}; logs are kept in {directory / 'logs'}"
        return after(failed=f"{failed}\n{_log_tails(directory)}")
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    shutil.rmtree(directory)
    return after(seen=seen)


async def _play(row: Row, directory: Path, *, seed: int, broken: str | None) -> str:
    change: Mapping[Role, str] = {"api": broken, "worker": broken} if broken else row.change
    async with open_stage(
        directory,
        apis=row.apis,
        workers=row.workers,
        nodes=row.nodes,
        armed=row.armed,
        network=row.network,
        disks=row.disks,
        change=change,
        simulated=row.simulated,
        environment=row.environment,
    ) as stage:
        stage.dice = random.Random(f"{row.name}/{seed}")
        said = await row.play(stage)
        outcome = await come_to_rest(stage, doubts=row.doubts)
        await _assert_alive(stage)
        figures = outcome.figures(stage)
        return f"{said}; {figures}" if said else figures


async def _assert_alive(stage: Stage) -> None:
    """Whom nobody killed must live: what ends by itself is a fault of the product's own."""
    dead = [process.name for process in stage.everything() if not process.alive]
    assert not dead, f"ended by itself, or was never started again: {', '.join(dead)}"


def _told(error: BaseException) -> str:
    """What an assertion says; of anything else where it happened as well."""
    if isinstance(error, ExceptionGroup):
        return "\n".join(_told(one) for one in error.exceptions)
    if isinstance(error, AssertionError) and str(error):
        return "\n".join(f"    {line}" for line in str(error).splitlines())
    return "".join(traceback.format_exception(error))


def _log_tails(directory: Path) -> str:
    tails = []
    for log in sorted((directory / "logs").glob("*.log")):
        if not log.stem.startswith(STORES):
            lines = log.read_text(errors="replace").splitlines()
            told = [line for line in lines if not any(usual in line for usual in USUAL)]
            tails += [f"    --- {log.stem}", *(f"    {line[:240]}" for line in told[-LOG_LINES:])]
    return "\n".join(tails)
