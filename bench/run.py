"""A whole run: everything that its form asks for, on one stage."""

import time
from collections.abc import Callable
from pathlib import Path

from bench import tell
from bench.figures import Figures
from bench.forms import Form
from bench.growth.full import Growth
from bench.machine import describe
from bench.memory import Memory
from bench.peers.seeds import install
from bench.programs import BenchError, need
from bench.results import Results, now
from bench.side_by_side import SideBySide
from bench.stage import Stage
from bench.tables import plain

OUT = Path(__file__).parent / "out"
PEERS = OUT / "peers"

Say = Callable[[str], None]


async def run(form: Form, *, say: Say) -> Results:
    """Measure; raises `BenchError` when nothing can be measured that could be trusted."""
    need("node", "npm")
    install(PEERS)
    at, started, figures = now(), time.monotonic(), Figures()
    async with Stage() as stage:
        try:
            SideBySide(stage, form, installed=PEERS, say=say).run(figures)
            if form.fill_messages:
                Growth(stage, form, say=say).run(figures)
            if form.memory_messages:
                Memory(stage, form, say=say).run(figures)
        except BenchError:
            say(f"logs of its processes: {_kept_logs(stage)}")
            raise
    return Results(at, form, time.monotonic() - started, describe(), figures)


def report(results: Results) -> str:
    """For the terminal: what was measured, then every target."""
    figures = results.figures
    tables = [
        tell.rate_rows(figures),
        tell.answer_rows(figures),
        *(tell.cpu_rows(figures, work) for work in ("messages", "mixed", "sends")),
        tell.memory_rows(figures),
    ]
    if results.form.fill_messages:
        tables.append(tell.growth_rows(figures))
    tables.append(tell.target_rows(results))
    told = [plain(rows, left=(0, 1, 2)) for rows in tables]
    return "\n\n".join([*told, tell.others(figures)])


def _kept_logs(stage: Stage) -> Path:
    """The stage's own directory goes with it."""
    kept = OUT / "logs"
    kept.mkdir(exist_ok=True)
    for log in stage.directory.glob("*.log"):
        (kept / log.name).write_bytes(log.read_bytes())
    return kept
