"""Which processes are ours, in a form that survives us: pid, start time and boot, on disk.

A pid alone says little: after its process ended, a stranger may get it. Pid and start time
(field 22 of /proc/PID/stat, in clock ticks since boot) name one process of one boot.
"""

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from manyline.infra.embedded.directory import write_private

PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessRecord:
    """One child as it was when it was started."""

    role: str
    pid: int
    started: str

    def is_running(self) -> bool:
        """Whether that very process, not a later one with its pid, still runs."""
        return start_mark(self.pid) == self.started

    def signal(self, number: signal.Signals) -> None:
        """Signal it, and with SIGKILL its whole process group; a process that ended is fine."""
        if not self.is_running():
            return
        try:
            if number == signal.SIGKILL and os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            pass


def start_mark(pid: int) -> str | None:
    """`boot id:start ticks` of a running process; None when there is none, or only its zombie."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in field 2 may hold spaces and brackets, so count from the last bracket.
    fields = stat.rpartition(")")[2].split()
    state, started = fields[0], fields[19]
    return None if state in {"Z", "X"} else f"{boot}:{started}"


class ProcessRecords:
    """The records of one data directory, `{role: {pid, started}}` in a JSON file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(self, role: str, pid: int) -> ProcessRecord:
        """Record a child that was started just now."""
        record = ProcessRecord(role, pid, start_mark(pid) or "ended")
        self._write([one for one in self.read() if one.role != role] + [record])
        return record

    def remove(self, record: ProcessRecord) -> None:
        """Forget a child that ended; its successor's record, if there is one, stays."""
        self._write([one for one in self.read() if one != record])

    def read(self) -> list[ProcessRecord]:
        """All records, in the order of their start; a damaged file counts as none."""
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            return [
                ProcessRecord(str(role), int(entry["pid"]), str(entry["started"]))
                for role, entry in found.items()
            ]
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return []

    def _write(self, records: list[ProcessRecord]) -> None:
        entries = {one.role: {"pid": one.pid, "started": one.started} for one in records}
        write_private(self._file, json.dumps(entries, indent=2) + "\n")
