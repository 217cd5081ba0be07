"""The same `manyline api` or `manyline worker`, with a fuse at each of a few named places.

    python -m tests.faults.armed api|worker

A process that passes a place looks for its fuse, a file. If that names the place, and the moment
before or after the real call, the n-th passing from then on is the process' last: it writes down
when that was, and sends itself SIGKILL (or SIGSTOP). Without a fuse it is the product as it is.

`FAULTS_CHANGE` names a change of the product, see `changes`; the fuse's path is `FAULTS_FUSE`.
"""

import functools
import inspect
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.changes import CHANGES, attribute_of

PLACES = {
    "insert": "manyline.messages.repository:MessageRepository.insert",
    "wake": "manyline.sending.wakes:Wakes.wake",
    "claim": "manyline.sending.repository:OutboxRepository.claim",
    "call": "manyline.meta.graph:GraphClient.send_message",
    "settle": "manyline.sending.repository:OutboxRepository.settle",
}
"""Where a process may end; each is one step of the way in or of the way out."""

DEEDS = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}


def note_beside(fuse: Path) -> Path:
    """Where a burnt fuse has left its note: `{"at": Unix seconds}`."""
    return fuse.with_suffix(".note")


class Fuse:
    """Looks for the file at each passing; counts from the passing that first found it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._passed = 0

    def passing(self, place: str, moment: str) -> None:
        """May not return, or only much later."""
        if not self._file.exists():
            return
        wanted = json.loads(self._file.read_text())
        if (wanted["place"], wanted["moment"]) != (place, moment):
            return
        self._passed += 1
        if self._passed == wanted["nth"]:
            self._passed = 0
            self._burn(DEEDS[wanted["deed"]])

    def _burn(self, number: signal.Signals) -> None:
        # The next life must find no fuse. What is written is in the kernel's hands, and stays.
        self._file.unlink()
        note_beside(self._file).write_text(json.dumps({"at": time.time()}))
        os.kill(os.getpid(), number)


def lay(fuse: Fuse) -> None:
    """Put the fuse around each place."""
    for place, path in PLACES.items():
        owner, name = attribute_of(path)
        setattr(owner, name, _fused(getattr(owner, name), place, fuse))


def _fused(real: Callable[..., Any], place: str, fuse: Fuse) -> Callable[..., Any]:
    @functools.wraps(real)
    async def awaited(*given: Any, **named: Any) -> Any:
        fuse.passing(place, "before")
        answer = await real(*given, **named)
        fuse.passing(place, "after")
        return answer

    @functools.wraps(real)
    def called(*given: Any, **named: Any) -> Any:
        fuse.passing(place, "before")
        answer = real(*given, **named)
        fuse.passing(place, "after")
        return answer

    return awaited if inspect.iscoroutinefunction(real) else called


def main() -> None:
    """Change, lay the fuse, and be the product."""
    from manyline.entry.cli.main import app

    change = os.environ.get("FAULTS_CHANGE")
    if change:
        CHANGES[change].make()
    lay(Fuse(Path(os.environ["FAULTS_FUSE"])))
    app(sys.argv[1:], prog_name="manyline")


if __name__ == "__main__":
    main()
