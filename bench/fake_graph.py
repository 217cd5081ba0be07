"""The fake Graph as a process; its own count is the proof that each reply was POSTed once."""

import json
import socket
import sys
import urllib.request
from pathlib import Path

from bench.processes import Process, wait_until
from bench.programs import from_checkout


class FakeGraph:
    """`graph_server` on a free port of loopback, with its log in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._port = free_port()
        argv = [sys.executable, "-m", "bench.graph_server", str(self._port)]
        self.process = Process("graph", argv, environment=from_checkout(), directory=directory)
        wait_until(self._listens, what="the fake Graph did not answer", seconds=10)

    @property
    def url(self) -> str:
        """For `GRAPH_BASE_URL`."""
        return f"http://127.0.0.1:{self._port}"

    def posts(self) -> int:
        """POSTs so far."""
        with urllib.request.urlopen(self.url) as answer:
            return int(json.load(answer)["posts"])

    def _listens(self) -> bool:
        self.process.check()
        try:
            self.posts()
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
