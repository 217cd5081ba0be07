"""What the Dockerfiles promise, read off the files; no engine is needed."""

import fnmatch
import json
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.containers.compose_file import ROOT
from tests.containers.tools import tool

DOCKERFILES = ("Dockerfile", "docker/bull-board/Dockerfile")
MAIN = (ROOT / "Dockerfile").read_text()
HEALTH = ROOT / "docker/health.py"


def instructions(text: str) -> list[tuple[str, str]]:
    """`(INSTRUCTION, arguments)`, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split()[0], line.split(None, 1)[1]) for line in joined.splitlines()]


def stage(name: str) -> list[tuple[str, str]]:
    """The instructions of a stage of the main Dockerfile, its base stages' first."""
    stages: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    for word, rest in instructions(MAIN):
        if word == "FROM":
            base, _, label = rest.partition(" AS ")
            current = stages[label] = [*stages.get(base, [("FROM", base)])]
        else:
            current.append((word, rest))
    return stages[name]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_has_nothing_to_say(name: str) -> None:
    done = subprocess.run(
        [tool("hadolint"), "--no-color", ROOT / name], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_copied_exists_and_reaches_the_builder(name: str) -> None:
    folder = (ROOT / name).parent
    allowed = ignored_but(folder / ".dockerignore")
    for word, rest in instructions((ROOT / name).read_text()):
        if word != "COPY" or "--from" in rest:
            continue
        for source in rest.split()[:-1]:
            assert (folder / source).exists(), source
            assert allowed(source), f"{source} is kept from the builder by .dockerignore"


def test_the_builder_never_sees_secrets_or_data() -> None:
    allowed = ignored_but(ROOT / ".dockerignore")
    for path in (".env", ".manyline/master.key", ".git/config", ".venv/bin/python", "tests/x.py"):
        assert not allowed(path), path


def ignored_but(ignore: Path) -> Callable[[str], bool]:
    """Whether a path gets past a .dockerignore that begins by ignoring everything."""
    first, *rules = [line for line in ignore.read_text().split("\n") if line and line[0] != "#"]
    assert first == "*"
    kept = [rule[1:] for rule in rules if rule.startswith("!")]
    return lambda path: any(
        path == one or path.startswith(f"{one}/") or fnmatch.fnmatch(path, one) for one in kept
    )


def test_production_is_what_a_plain_build_makes() -> None:
    assert [rest for word, rest in instructions(MAIN) if word == "FROM"][-1].endswith("production")


@pytest.mark.parametrize("name", ["production", "development"])
def test_images_do_not_run_as_root(name: str) -> None:
    users = [rest for word, rest in stage(name) if word == "USER"]
    assert users[-1] == "10001:10001"


def test_production_has_no_compiler_and_none_of_the_builders_tools() -> None:
    """It starts from a slim image, and takes from the builder the finished environment alone."""
    steps = stage("production")
    assert re.fullmatch(r"python:\$\{PYTHON\}", steps[0][1])
    assert ("ARG", "PYTHON=3.13-slim") in instructions(MAIN)
    copied = [rest for word, rest in steps if word == "COPY"]
    assert copied == [
        "docker/health.py /opt/health.py",
        "--from=package /opt/manyline /opt/manyline",
    ]
    for word, rest in steps:
        assert word != "RUN" or not re.search(r"\b(apt|apt-get|pip|uv)\b", rest)
    assert any(word == "ENV" and "ENVIRONMENT=production" in rest for word, rest in steps)


def test_everything_that_is_installed_has_a_hash() -> None:
    for word, rest in instructions(MAIN):
        for command in rest.split(" && ") if word == "RUN" else ():
            if "pip install" in command:
                assert "--require-hashes" in command or "--no-deps" in command, command


def test_embedded_servers_are_left_out_of_images() -> None:
    text = (ROOT / "docker/left-out.txt").read_text()
    left_out = {line for line in text.splitlines() if not line.startswith("#")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    embedded = project["optional-dependencies"]["embedded"]
    assert {re.split(r"[=<>;]", one)[0].strip() for one in embedded} <= left_out
    wanted = {re.split(r"[=<>;\[]", one)[0].strip() for one in project["dependencies"]}
    assert not wanted & left_out


def health_check() -> list[str]:
    """The command line of the image's HEALTHCHECK, with the script where the repository has it."""
    [check] = [rest for word, rest in stage("production") if word == "HEALTHCHECK"]
    line = json.loads(check[check.index("[") :])
    assert line[-1] == "/opt/health.py"
    return [sys.executable, *line[1:-1], str(HEALTH)]


class Answers(BaseHTTPRequestHandler):
    """200 to /health and /metrics, 503 to the rest."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path in {"/health", "/metrics"} else 503)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


def test_the_health_check_tells_good_from_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # What Docker may set; not to be used.

    def check(*arguments: str, port: int) -> subprocess.CompletedProcess[str]:
        monkeypatch.setenv("PORT", str(port))
        line = [*health_check(), *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        port = server.server_port
        assert check(port=port).returncode == 0
        assert check(str(port), "/metrics", port=1).returncode == 0
        sick = check(str(port), "/other", port=1)
        assert (sick.returncode, sick.stderr) == (1, f"port {port} answered 503 to /other\n")
        server.shutdown()
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = int(free.getsockname()[1])
    dead = check(port=closed)
    assert dead.returncode == 1
    assert dead.stderr.startswith(f"no answer from port {closed}: ConnectionRefusedError")


@pytest.mark.parametrize("folder", ["docker/bull-board", "tests/strangers/node"])
def test_lock_files_name_no_host_and_every_package_has_a_hash(folder: str) -> None:
    text = (ROOT / folder / "package-lock.json").read_text()
    assert not re.search(r"https?://|git[+@:]", text), "take out `resolved` and `funding`"
    assert '"resolved"' not in text
    packages = json.loads(text)["packages"]
    assert len(packages) > 50
    for path, package in packages.items():
        # Optional ones are never installed: they are native speed-ups for some machine.
        assert not path or "integrity" in package or package.get("optional"), path


@pytest.mark.parametrize(
    "path",
    [
        *(path for path in (ROOT / "docker").rglob("*") if path.is_file()),
        *(ROOT / name for name in ("Dockerfile", "compose.yaml", "compose.prod.yaml")),
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_registry_is_named(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\b(docker|ghcr|quay|gcr|pypi|npmjs|registry)\.[a-z]{2,}\b", text)
