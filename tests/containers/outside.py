"""Runs what a container would run, on this machine and without one.

A service's own command line and environment, as they stand in the Compose file. Changed are only
things that a container has and a process has not: the names of other services and the fixed ports
become loopback addresses, "all addresses" becomes loopback, and paths of the image become paths of
this test's directory.
"""

import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from manyline.infra.embedded.binaries import find_mongod, find_valkey
from tests.containers.compose_file import ROOT, ComposeFile, Service

PORTS = {"mongo": 27017, "redis": 6379, "app": 3000, "mongo-express": 8081, "bull-board": 3001}
METRICS_PORT = 9101
STOP_SECONDS = 15.0
READY_SECONDS = 60.0


class Outside:
    """Processes in place of one Compose file's containers; a context manager that ends them all."""

    def __init__(self, file: ComposeFile, directory: Path) -> None:
        self._file = file
        self._running: list[tuple[str, subprocess.Popen[bytes], IO[bytes]]] = []
        self.directory = directory
        self.ports = {name: _free_port() for name in PORTS}
        self.metrics_port = _free_port()
        self.programs = directory / "bin"
        self.programs.mkdir()
        for name in ("data", "mongo", "redis", "tmp"):
            (directory / name).mkdir()
        self.provide("mongod", find_mongod())
        self.provide("valkey-server", find_valkey())

    def __enter__(self) -> "Outside":
        return self

    def __exit__(self, *_exception: object) -> None:
        for _, process, log in reversed(self._running):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            log.close()

    def provide(self, name: str, program: Path) -> None:
        """Make a program known by the name that it has in its image."""
        (self.programs / name).symlink_to(program)

    def provide_script(self, name: str, text: str) -> None:
        """A program of this test's own in place of one of the image's."""
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)

    def here(self, text: str) -> str:
        """A text of the Compose file with what only a container has replaced."""
        for name, port in PORTS.items():
            text = text.replace(f"{name}:{port}", f"127.0.0.1:{self.ports[name]}")
        text = text.replace("--bind_ip_all", "--bind_ip=127.0.0.1")
        text = text.replace("/tmp/", f"{self.directory}/tmp/")
        text = text.replace("/var/lib/manyline", f"{self.directory}/data")
        text = text.replace("/manyline/health.js", str(self.directory / "health.js"))
        return text.replace("/opt/health.py", str(ROOT / "docker/health.py"))

    def environment(self, service: Service, **more: str) -> dict[str, str]:
        """As in the container, and nothing of this process' own."""
        places = {
            "HOST": "127.0.0.1",
            "PORT": str(self.ports["app"]),
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(self.ports["redis"]),
            "WORKER_METRICS_PORT": str(self.metrics_port),
        }
        given = {name: self.here(value) for name, value in service.environment.items()}
        given |= {name: place for name, place in places.items() if name in given}
        if "REDIS_HOST" in given:
            given["REDIS_PORT"] = places["REDIS_PORT"]
        scripts = sysconfig.get_path("scripts")
        path = f"{self.programs}:{scripts}:/usr/local/bin:/usr/bin:/bin"
        return {"PATH": path, "HOME": str(self.directory), **given, **more}

    def start(
        self,
        name: str,
        *more: str,
        command: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a service: its command line (or `command`, the image's own), and then `more`."""
        service = self._file.services[name]
        line = [self.here(one) for one in command or service.command]
        log = (self.directory / f"{name}.{len(self._running)}.log").open("wb")
        whole = self.environment(service, **(environment or {}))
        process = subprocess.Popen(
            [_program(line[0], whole["PATH"]), *line[1:], *more],
            env=whole,
            cwd=cwd or self.directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self._running.append((name, process, log))
        return process

    def check(
        self, name: str, *more: str, line: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a service's health check once; the image's own when it is given as `line`."""
        service = self._file.services[name]
        given = [self.here(one) for one in line or service.health]
        given = [str(self.metrics_port) if one == str(METRICS_PORT) else one for one in given]
        environment = self.environment(service)
        return subprocess.run(
            [_program(given[0], environment["PATH"]), *given[1:], *more],
            env=environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def until_healthy(self, name: str, *more: str, line: tuple[str, ...] = ()) -> None:
        """Repeat the health check as Docker would; fail with the logs when it stays bad."""
        self.until(lambda: self.check(name, *more, line=line).returncode == 0, what=name)

    def until(self, condition: Callable[[], Any], *, what: str) -> Any:
        """What `condition` answers once that is true; every process must live that long."""
        deadline = time.monotonic() + READY_SECONDS
        while not (found := condition()):
            for name, process, _ in self._running:
                assert process.poll() is None, f"{name} ended\n{self.logs()}"
            assert time.monotonic() < deadline, f"{what}: not in time\n{self.logs()}"
            time.sleep(0.05)
        return found

    def logs(self) -> str:
        """The end of what every process printed."""
        parts = []
        for path in sorted(self.directory.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-15:]
            parts.append("\n".join([f"--- {path.name}", *lines]))
        return "\n".join(parts)

    def start_stores(self, node_home: Path) -> None:
        """MongoDB and Valkey by their command lines, each until its health check is content."""
        if not (self.programs / "mongosh").exists():
            self.provide("mongosh", node_home / "node_modules/.bin/mongosh")
        script = (ROOT / "docker/mongo/health.js").read_text()
        (self.directory / "health.js").write_text(self.here(script))
        mongo = ("--port", str(self.ports["mongo"]), "--dbpath", str(self.directory / "mongo"))
        quick = ("--nounixsocket", "--wiredTigerCacheSizeGB", "0.25")
        self.start("mongo", *mongo, *quick)
        redis = ("--port", str(self.ports["redis"]), "--bind", "127.0.0.1")
        self.start("redis", *redis, "--dir", str(self.directory / "redis"))
        self.until_healthy("mongo", "--port", str(self.ports["mongo"]))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _program(name: str, path: str) -> str:
    found = shutil.which(name, path=path)
    assert found, f"there is no program {name} on {path}"
    return found
