"""Load at its most: callers who send the next request the moment the last one is answered.

python -m bench.closed_loop FILE URL SECONDS CALLERS PART PARTS     prints one JSON object
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from bench.caller import Caller, from_file
from bench.programs import BenchError, from_checkout

CONNECTIONS = 256


@dataclass
class Loaded:
    """What the callers saw. Requests under way when the time is over are answered and count."""

    first_at: float = 0.0
    """When the first request left, by `time.monotonic`."""
    seconds: float = 0.0
    """From there to the last answer."""
    taken: int = 0
    refused: int = 0
    cpu_seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Requests acknowledged (answered 200) a second."""
        return self.taken / self.seconds


def send(file: Path, *, urls: Sequence[str], seconds: float) -> Loaded:
    """Send the file's requests for that time; it ends early when there are none left.

    With several URLs as many processes share requests and connections. Raises `BenchError`.
    """
    running = [_start(file, url, seconds, n, len(urls)) for n, url in enumerate(urls)]
    ended = [_end(one) for one in running]
    return Loaded(
        first_at=min(one.first_at for one in ended),
        seconds=max(one.seconds for one in ended),
        taken=sum(one.taken for one in ended),
        refused=sum(one.refused for one in ended),
        cpu_seconds=sum(one.cpu_seconds for one in ended),
    )


def _start(file: Path, url: str, seconds: float, part: int, parts: int) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "bench.closed_loop", str(file), url, str(seconds)]
    argv += [str(CONNECTIONS // parts), str(part), str(parts)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=from_checkout())


def _end(running: "subprocess.Popen[str]") -> Loaded:
    with running:
        assert running.stdout is not None
        printed = running.stdout.read()
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode != 0:
        raise BenchError(f"the callers ended with {running.returncode}: {printed[-300:]}")
    loaded = Loaded(**json.loads(printed))
    # Reading the file came before the clock, and is nobody's.
    loaded.cpu_seconds = used.ru_utime + used.ru_stime - loaded.cpu_seconds
    return loaded


async def _call(caller: Caller, requests: Iterator[bytes], *, until: float, tally: Loaded) -> None:
    """One of the callers."""
    while time.monotonic() < until and (request := next(requests, None)) is not None:
        if await caller.post(request):
            tally.taken += 1
        else:
            tally.refused += 1


async def _main(requests: list[bytes], url: str, seconds: float, callers: int) -> Loaded:
    waiting = iter(requests)
    tally = Loaded(cpu_seconds=time.process_time(), first_at=time.monotonic())
    async with Caller(url) as caller, asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(_call(caller, waiting, until=tally.first_at + seconds, tally=tally))
    tally.seconds = time.monotonic() - tally.first_at
    return tally


if __name__ == "__main__":
    _, _file, _url, _seconds, _callers, _part, _parts = sys.argv
    _requests = from_file(Path(_file), _url, part=int(_part), parts=int(_parts))
    print(json.dumps(asdict(uvloop.run(_main(_requests, _url, float(_seconds), int(_callers))))))
