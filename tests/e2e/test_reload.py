"""`--reload`, on a copy of the source that the test may change."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import manyline
from manyline.infra.embedded import EmbeddedServers
from tests.e2e.conftest import StartUp
from tests.e2e.system import System, bare_environment, request, wait_until

SECONDS = 2.0


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the package, to be put before the installed one."""
    copy = tmp_path / "src" / "manyline"
    shutil.copytree(
        Path(manyline.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__")
    )
    # Compiled beforehand, as installed packages are: what is measured is a restart, not that.
    subprocess.run([sys.executable, "-m", "compileall", "-q", copy], check=True)
    return copy


@pytest.fixture
def system(start_up: StartUp, source: Path) -> System:
    """`up --reload` on that copy; the test's own directory, so no other test sees it."""
    return start_up("--reload", PYTHONPATH=str(source.parent)).wait_ready()


def roles(system: System) -> dict[str, int]:
    """The processes that play api and worker now: of each watcher's children the oldest.

    The younger one has its libraries loaded and waits for its turn.
    """
    found = {}
    for role in ("api", "worker"):
        try:
            children = psutil.Process(system.pid_of(role)).children()
            found[role] = min(children, key=lambda one: float(one.create_time())).pid
        except (psutil.Error, ValueError):
            continue
    return found


def status(system: System) -> str | None:
    try:
        return str(request(f"{system.url}/health").json["status"])
    except OSError:
        return None


def rewrite(file: Path, old: str, new: str) -> float:
    """Change a file and answer when."""
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    return time.monotonic()


def times_started(system: System, role: str) -> int:
    return len(re.findall(rf"^{role} +\| .*{role}\.ready", system.printed, re.MULTILINE))


def test_a_change_is_at_work_within_two_seconds_in_both(system: System, source: Path) -> None:
    before = roles(system)
    watchers = {role: system.pid_of(role) for role in ("api", "worker")}
    for pid in watchers.values():
        wait_until(lambda p=pid: len(psutil.Process(p).children()) == 2, what="the next in line")
    assert before.keys() == {"api", "worker"}
    assert times_started(system, "worker") == 1
    health = source / "entry" / "api" / "routes" / "health.py"
    changed = rewrite(health, '"status": "up"}', '"status": "changed"}')
    took: dict[str, float] = {}

    def both_started() -> bool:
        if "api" not in took and status(system) == "changed":
            took["api"] = time.monotonic() - changed
        if "worker" not in took and times_started(system, "worker") == 2:
            took["worker"] = time.monotonic() - changed
        return len(took) == 2

    wait_until(both_started, what="the new answer, and the new worker")
    assert max(took.values()) < SECONDS, took
    system.wait_healthy()
    after = wait_until(lambda: len(found := roles(system)) == 2 and found, what="both")
    assert all(after[role] != before[role] for role in before)
    assert {role: system.pid_of(role) for role in watchers} == watchers
    for role in watchers:
        assert re.search(rf"{role} +\| health.py changed; {role} starts anew", system.printed)
    # It was asked to stop, and had the time to.
    assert re.search(r"worker +\| .*worker\.stopped", system.printed)
    children = system.children()
    assert system.stop() == 0
    assert not any(child.is_running() for child in children)


def test_a_file_that_is_no_python_changes_nothing_until_it_is_mended(
    system: System, source: Path
) -> None:
    before = roles(system)
    health = source / "entry" / "api" / "routes" / "health.py"
    rewrite(health, '"status": "up"}', '"status": "up"')
    wait_until(
        lambda: re.search(r"health\.py:\d+: .*api stays as it is", system.printed), what="a word"
    )
    assert status(system) == "up"
    assert roles(system) == before
    rewrite(health, '"status": "up"', '"status": "mended"}')
    wait_until(lambda: status(system) == "mended", what="the mended answer")
    assert system.process.poll() is None


def test_code_that_fails_when_it_starts_does_not_end_up(system: System, source: Path) -> None:
    """Python, and wrong: even a bad setting, which `up` else takes for the end."""
    server = source / "entry" / "api" / "server.py"
    rewrite(
        server,
        '"""The API process',
        'from manyline.base.errors import SettingsError\nraise SettingsError("broken")\n"""The API',
    )
    wait_until(
        lambda: re.search(r"api exited with \d+; again at the next change", system.printed),
        what="its end",
    )
    assert status(system) is None
    assert system.process.poll() is None
    text = server.read_text()
    server.write_text(text[text.index('"""The API') :])
    wait_until(lambda: status(system) == "up", what="the API again")
    assert "times within a minute" not in system.printed


def test_a_child_that_dies_comes_back_without_a_change(system: System) -> None:
    os.kill(roles(system)["worker"], signal.SIGKILL)
    wait_until(lambda: "worker exited with -9" in system.printed, what="a word")
    wait_until(lambda: "worker" in roles(system), what="a new worker")
    system.wait_healthy()


def test_only_python_of_ours_counts(system: System, source: Path) -> None:
    before = roles(system)
    (source / "notes.txt").write_text("not Python")
    (source / ".#health.py").write_text("an editor's lock")
    (source.parent / "elsewhere.py").write_text("")
    (source / "base" / "ids.py").touch()

    def started_anew() -> set[str]:
        return set(re.findall(r"\| (.*) changed; api starts anew", system.printed))

    wait_until(lambda: roles(system).keys() == before.keys() and started_anew(), what="a new api")
    assert started_anew() == {"ids.py"}


def test_when_the_watcher_is_killed_its_child_goes_too(system: System) -> None:
    """Else it would keep the port, and the next one could not listen."""
    old = roles(system)["api"]
    system.wait_replaced("api", system.kill("api"))
    wait_until(
        lambda: not psutil.pid_exists(old) or roles(system).get("api") != old, what="its end"
    )
    system.wait_healthy()


@pytest.fixture
def alone(
    tmp_path: Path, source: Path
) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], Path]]]:
    """`manyline ROLE --reload` by itself, as in a container."""
    started: list[subprocess.Popen[bytes]] = []

    def start(role: str, **environment: str) -> tuple[subprocess.Popen[bytes], Path]:
        printed = tmp_path / f"{role}.printed"
        with printed.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "manyline", role, "--reload"],
                cwd=tmp_path,
                env=bare_environment() | {"PYTHONPATH": str(source.parent)} | environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        started.append(process)
        return process, printed

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.parametrize("role", ["api", "worker"])
async def test_a_role_by_itself_reloads_and_stops_in_order(
    role: str,
    alone: Callable[..., tuple[subprocess.Popen[bytes], Path]],
    source: Path,
    tmp_path: Path,
) -> None:
    async with EmbeddedServers(tmp_path / "servers") as servers:
        process, printed = alone(
            role,
            MONGO_URI=servers.mongo_uri,
            REDIS_HOST=servers.redis_host,
            REDIS_PORT=str(servers.redis_port),
            PORT="0",
        )
        wait_until(lambda: f"{role}.ready" in printed.read_text(), what="ready")
        (source / "base" / "ids.py").touch()
        wait_until(lambda: printed.read_text().count(f"{role}.ready") == 2, what="ready again")
        assert printed.read_text().count(f"{role}.stopped") == 1
        process.terminate()
        assert process.wait(10) == 0
        assert printed.read_text().count(f"{role}.stopped") == 2


def test_a_bad_setting_ends_it_at_once(
    alone: Callable[..., tuple[subprocess.Popen[bytes], Path]],
) -> None:
    """No change of the source mends that, so a container must not look alive."""
    process, printed = alone("api", MASTER_KEY="too short")
    assert process.wait(20) == 78
    assert "MASTER_KEY must be 32 bytes" in printed.read_text()
