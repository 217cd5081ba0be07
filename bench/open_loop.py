"""Load at a steady pace: what is sent does not wait for what is answered.

So a slow answer shows as a slow answer. Times count from when a request was due to leave, which
also charges the generator's own delays to the measured.

    python -m bench.open_loop FILE URL PER_SECOND SECONDS     prints one JSON object
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from bench.caller import Caller, from_file
from bench.programs import BenchError, from_checkout

WARM_UP_SECONDS = 2.0


@dataclass(frozen=True)
class Paced:
    """Times of the acknowledgement, after a warm-up."""

    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    refused: int


def send(file: Path, *, url: str, per_second: float, seconds: float) -> Paced:
    """Send the file's requests at that pace, from a process of its own; raises `BenchError`."""
    argv = [sys.executable, "-m", "bench.open_loop", str(file), url, str(per_second), str(seconds)]
    ended = subprocess.run(argv, capture_output=True, text=True, env=from_checkout(), check=False)
    if ended.returncode != 0:
        raise BenchError(f"the open loop ended with {ended.returncode}: {ended.stderr[-300:]}")
    return Paced(**json.loads(ended.stdout))


class OpenLoop:
    """Sends each request when its time has come."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._under_way: set[asyncio.Task[None]] = set()
        self._times: list[float] = []
        self._refused = 0

    async def run(self, requests: Sequence[bytes], *, per_second: float) -> Paced:
        """All of them at that pace; the first of them only warm everything up."""
        started = time.perf_counter()
        warm_at = started + WARM_UP_SECONDS
        for number, request in enumerate(requests):
            due = started + number / per_second
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            task = asyncio.create_task(self._post(request, due, counts=due >= warm_at))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        await asyncio.gather(*self._under_way)
        return self._measured(time.perf_counter() - warm_at)

    async def _post(self, request: bytes, due: float, *, counts: bool) -> None:
        if not await self._caller.post(request):
            self._refused += 1
        if counts:
            self._times.append(time.perf_counter() - due)

    def _measured(self, seconds: float) -> Paced:
        times = sorted(self._times)
        return Paced(
            per_second=len(times) / seconds,
            p50_ms=_at(times, 0.5),
            p99_ms=_at(times, 0.99),
            max_ms=times[-1] * 1e3,
            refused=self._refused,
        )


def _at(times: Sequence[float], share: float) -> float:
    """Milliseconds at this share of sorted times."""
    return times[min(len(times) - 1, int(share * len(times)))] * 1e3


async def _main(requests: Sequence[bytes], url: str, per_second: float) -> Paced:
    async with Caller(url) as caller:
        return await OpenLoop(caller).run(requests, per_second=per_second)


if __name__ == "__main__":
    _, _file, _url, _per_second, _seconds = sys.argv
    _most = int(float(_per_second) * (WARM_UP_SECONDS + float(_seconds)))
    _requests = from_file(Path(_file), _url)[:_most]
    print(json.dumps(asdict(uvloop.run(_main(_requests, _url, float(_per_second))))))
