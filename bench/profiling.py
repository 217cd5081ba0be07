"""Profiles of api and worker under load: which part of the way, whose code, how many µs a message.

py-spy samples the stacks from outside; its pauses are not counted as CPU time of the profiled.
A share of the samples times the CPU time that the kernel counted is a function's time.
"""

import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path

from bench import closed_loop, cpu, flame, work
from bench.forms import HUNDRED
from bench.ours import Ours
from bench.profile_tables import render
from bench.profiles import Profile, read
from bench.programs import BenchError, find_profiler
from bench.rest import Owed
from bench.round import MOST_PER_SECOND
from bench.stage import Stage
from bench.tables import plain

SAMPLES_PER_SECOND = 250
SETTLE_SECONDS = 2.0
"""Of load before the first sample, and after the last."""

Say = Callable[[str], None]


async def profile(out: Path, *, seconds: float, say: Say) -> None:
    """Profile both processes under load; raises `BenchError`.

    Leaves a flame graph and a speedscope file of each in `out`.
    """
    find_profiler()
    async with Stage() as stage:
        ours = Ours(stage, app_secret=secrets.token_hex(16))
        ours.start(tenants=HUNDRED.tenants)
        try:
            profiles = _profiled(stage, ours, out, seconds, say)
        finally:
            ours.stop()
    for taken in profiles:
        picture = out / f"profile-{taken.role}.svg"
        picture.write_text(flame.draw(taken), encoding="utf-8")
        say(f"\n{render(taken)}\n\nAs a flame graph: {picture}; for speedscope: {taken.file}")


def _profiled(stage: Stage, ours: Ours, out: Path, seconds: float, say: Say) -> list[Profile]:
    file, load_seconds = stage.requests, seconds + 2 * SETTLE_SECONDS
    messages = work.messages(
        int(MOST_PER_SECOND * load_seconds),
        tenants=HUNDRED.tenants,
        app_secret=ours.app_secret,
        series=0,
    )
    work.write(messages, file)
    say(f"profiling api and worker for {seconds:.0f} s with {HUNDRED.name}")
    files = {role: out / f"profile-{role}.speedscope.json" for role in ours.pids}
    recorders = [_record(ours.pids[role], files[role], seconds) for role in files]
    owed, pids = Owed(stage.graph, ours.store), ours.pids | stage.pids
    before = cpu.read(pids)
    loaded = closed_loop.send(file, urls=ours.urls, seconds=load_seconds)
    owed.wait()
    spent = cpu.between(before, cpu.read(pids), load=loaded.cpu_seconds)
    for recorder in recorders:
        if recorder.wait(timeout=60):
            raise BenchError("py-spy could not record: it may need root, or ptrace to be allowed")
    us = {role: used * 1e6 / owed.messages for role, used in spent.by_role.items()}
    say(f"\n{_by_process(us)}")
    return [read(role, files[role], us[role]) for role in files]


def _by_process(us: dict[str, float]) -> str:
    rows = [(role, f"{used:,.0f}") for role, used in us.items()]
    whole = ("all", f"{sum(us.values()):,.0f}")
    return plain([("process", "µs a message, in and out"), *rows, whole])


def _record(pid: int, file: Path, seconds: float) -> "subprocess.Popen[bytes]":
    argv = [find_profiler(), "record", "--pid", str(pid), "--output", str(file)]
    argv += ["--format", "speedscope", "--rate", str(SAMPLES_PER_SECOND)]
    argv += ["--duration", f"{seconds:.0f}"]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
