"""The whole system as a person starts it: `manyline up` as a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from manyline.settings import Settings

READY_SECONDS = 75.0
STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `json` of a body that is none is None."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def request(url: str, *, method: str | None = None, body: object = None, **headers: str) -> Answer:
    """Any status is an answer; `body` is sent as JSON, bytes as they are."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    given = {"Content-Type": "application/json"} | headers
    asked = urllib.request.Request(url, data=data, headers=given, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=10) as found:
            return Answer(found.status, dict(found.headers), found.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read())


def wait_until(
    check: Callable[[], Any], *, seconds: float = 20.0, what: str | Callable[[], str] = ""
) -> Any:
    """Call `check` until it is true and return what it returned; fail at the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > deadline:
            told = what() if callable(what) else what
            raise AssertionError(f"not within {seconds} s: {told or check}")
        time.sleep(0.02)
    return found


class System:
    """One `manyline up`."""

    def __init__(self, data: Path, *options: str, **environment: str) -> None:
        self.data = data
        self._printed = data.parent / f"{data.name}.printed"
        settings = {"PORT": "0", "MANYLINE_DATA_DIR": str(data)} | environment
        with self._printed.open("wb") as printed:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "manyline", "up", *options],
                cwd=data.parent,
                env=bare_environment() | settings,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    @property
    def printed(self) -> str:
        """All it has printed so far."""
        return self._printed.read_text()

    @property
    def url(self) -> str:
        """Where the API is, once ready."""
        found = re.search(r"^Manyline is ready on (\S+)$", self.printed, re.MULTILINE)
        assert found, self.printed
        return found[1]

    @property
    def simulator_url(self) -> str:
        """Where the simulator is, once ready."""
        found = re.search(r"^  simulator +(http\S+)$", self.printed, re.MULTILINE)
        assert found, self.printed
        return found[1]

    def wait_ready(self) -> "System":
        """Return when it says that it is ready; fail with what it printed when it ends instead."""

        def said_so() -> bool:
            assert self.process.poll() is None, self.printed
            return "Manyline is ready on " in self.printed

        wait_until(said_so, seconds=READY_SECONDS, what=lambda: f"ready; so far:\n{self.printed}")
        return self

    def wait_healthy(self) -> None:
        """Return when the API reports MongoDB, Redis and a worker as up."""
        wait_until(self.is_healthy, seconds=READY_SECONDS, what="/health/ready")

    def is_healthy(self) -> bool:
        """Whether all of it answers now."""
        try:
            return bool(request(f"{self.url}/health/ready").json["status"] == "ready")
        except (OSError, TypeError, KeyError):
            return False

    def pid_of(self, role: str) -> int | None:
        """The child that plays a role now; None between two lives."""
        records = json.loads((self.data / "processes.json").read_text())
        return int(records[role]["pid"]) if role in records else None

    def kill(self, role: str) -> int:
        """SIGKILL one child, or `up` itself by the role `"up"`; return the pid it had."""
        pid = self.process.pid if role == "up" else self.pid_of(role)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        if role == "up":
            self.process.wait()
        return pid

    def wait_replaced(self, role: str, old_pid: int) -> int:
        """Return the pid of the child that plays the role after `old_pid`."""

        def successor() -> int | None:
            pid = self.pid_of(role)
            return pid if pid != old_pid else None

        return int(wait_until(successor, what=f"a new {role}"))

    def children(self) -> list[psutil.Process]:
        """Everything that it started and that runs now."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop, return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def end(self) -> None:
        """However it is: leave no process behind."""
        left = self.children() if self.process.poll() is None else []
        if self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for child in left:
            if child.is_running():
                child.kill()


def bare_environment() -> dict[str, str]:
    """This process' environment without any setting of ours."""
    ours = {"MANYLINE_DATA_DIR", *(name.upper() for name in Settings.model_fields)}
    return {name: value for name, value in os.environ.items() if name not in ours}
