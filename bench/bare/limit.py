"""A round of the bare limit, in the figures of `bench.round`."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from bench import cpu
from bench.figures import Seen
from bench.names import ACKNOWLEDGED, END_TO_END, FLUSH, cpu_of
from bench.processes import Process, wait_until
from bench.programs import BenchError, from_checkout
from bench.stage import Stage
from bench.store import Store

SETTLE_SECONDS = 60.0
DATABASE = "bare"


@dataclass(frozen=True)
class BareLimit:
    """Runs both programs on a stage, in a database of their own."""

    stage: Stage

    def run(self, *, tenants: int, seconds: float, batch: int) -> Seen:
        """One round, `batch` messages in each flush. Raises `BenchError`."""
        store = Store(self.stage.mongo_uri(DATABASE))
        self.stage.empty_valkey()
        store.empty(but_tenants=0)
        self.stage.come_to_rest(store)
        way_out = self._way_out()
        try:
            pids = {"worker": way_out.pid} | self.stage.pids
            before = cpu.read(pids)
            told = self._way_in(tenants, seconds, batch)
            wait_until(
                store.all_settled, what="the bare way out did not end", seconds=SETTLE_SECONDS
            )
            spent = cpu.between(before, cpu.read(pids), api=told["cpu_seconds"])
            way_out.check()
        finally:
            way_out.stop()
        last_at = store.last_sent_at()
        if last_at is None or store.size() != 2 * told["written"]:
            raise BenchError(f"the bare limit wrote {told['written']} and {store.size()} are there")
        seen: Seen = {
            ("messages", ACKNOWLEDGED): told["written"] / told["seconds"],
            ("messages", END_TO_END): told["written"] / (last_at.timestamp() - told["first_at"]),
            ("messages", FLUSH): batch,
        }
        for role, taken in spent.by_role.items():
            seen["messages", cpu_of(role)] = taken * 1e6 / told["written"]
        store.close()
        return seen

    def _servers(self) -> list[str]:
        return [self.stage.mongo_uri(DATABASE), self.stage.redis_host, str(self.stage.redis_port)]

    def _way_out(self) -> Process:
        argv = [sys.executable, "-m", "bench.bare.way_out", *self._servers()]
        return Process(
            "bare-way-out", argv, environment=from_checkout(), directory=self.stage.directory
        )

    def _way_in(self, tenants: int, seconds: float, batch: int) -> dict[str, Any]:
        argv = [sys.executable, "-m", "bench.bare.way_in", *self._servers()]
        argv += [str(tenants), str(seconds), str(batch)]
        ended = subprocess.run(
            argv, capture_output=True, text=True, env=from_checkout(), check=False
        )
        if ended.returncode != 0:
            raise BenchError(f"the bare way in ended so: {ended.stderr.strip()[-300:]}")
        told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return told
