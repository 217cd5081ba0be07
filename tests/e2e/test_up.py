"""`manyline up`: ready, restart, crash, orphans, stop, and what it says when it cannot start."""

import fcntl
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path

import psutil
import pytest

from manyline.infra.embedded import EmbeddedServers
from tests.e2e.conftest import StartUp
from tests.e2e.system import System, bare_environment, request, wait_until

READY_SOON_SECONDS = 15.0
ROLES = {"mongod", "valkey", "api", "worker"}


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != "zombie"]


def last_line(system: System) -> str:
    return system.printed.strip().splitlines()[-1]


def test_it_says_where_everything_is_and_it_is_there(system: System) -> None:
    assert re.search(
        rf"^Manyline is ready on (http://127\.0\.0\.1:\d+)\n  docs +\1/docs\n  logs +"
        rf"{re.escape(str(system.data))}/logs$",
        system.printed,
        re.MULTILINE,
    )
    assert request(f"{system.url}/health").json["ok"] is True
    assert request(f"{system.url}/docs").status == 200
    assert {path.stem for path in (system.data / "logs").iterdir()} >= ROLES
    assert re.search(r"^worker    \| .*worker\.ready", system.printed, re.MULTILINE)


def test_everything_is_ready_soon_on_data_that_is_new(start_up: StartUp) -> None:
    """Three seconds are usual; the bound is for a machine that does much else."""
    began = time.monotonic()
    start_up().wait_ready()
    assert time.monotonic() - began < READY_SOON_SECONDS


def test_a_second_one_on_the_same_data_is_refused(system: System, start_up: StartUp) -> None:
    second = System(system.data.parent / "again", MANYLINE_DATA_DIR=str(system.data))
    assert second.process.wait(10) != 0
    assert f"in use by another `manyline up` (process {system.process.pid})" in second.printed
    assert len(second.printed.splitlines()) == 1
    assert system.is_healthy()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_every_child(start_up: StartUp, number: signal.Signals) -> None:
    system = start_up().wait_ready()
    children = system.children()
    assert len(children) == len(ROLES)
    assert system.stop(number) == 0
    assert running(children) == []
    assert last_line(system) == "Stopped."


def test_a_signal_before_it_is_ready_stops_it_too(start_up: StartUp) -> None:
    system = start_up()
    wait_until(lambda: len(system.children()) == len(ROLES), what="all children")
    children = system.children()
    assert system.stop() == 0
    assert running(children) == []


def test_ctrl_c_in_a_terminal_reaches_up_alone(tmp_path: Path) -> None:
    """The terminal signals its foreground group; the children are in groups of their own."""
    outer, inner = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    settings = {"PORT": "0", "MANYLINE_DATA_DIR": str(tmp_path / "data")}
    with subprocess.Popen(
        [sys.executable, "-m", "manyline", "up"],
        cwd=tmp_path,
        env=bare_environment() | settings,
        stdin=inner,
        stdout=inner,
        stderr=inner,
        preexec_fn=take_terminal,  # noqa: PLW1509 - no threads here
    ) as process:
        os.close(inner)
        shown = b""
        while b"Manyline is ready on" not in shown:
            shown += os.read(outer, 4096)
        children = psutil.Process(process.pid).children(recursive=True)
        assert {os.getsid(child.pid) for child in children} == {process.pid}
        assert process.pid not in {os.getpgid(child.pid) for child in children}
        os.write(outer, b"\x03")
        while b"Stopped." not in shown:
            shown += os.read(outer, 4096)
        assert process.wait(5) == 0
    os.close(outer)
    # The worker was asked to stop by `up`, after Ctrl-C, and had the time to.
    assert shown.index(b"Stopping") < shown.index(b"worker.stopped")
    assert running(children) == []


def test_a_child_that_hangs_is_killed_in_time(start_up: StartUp) -> None:
    system = start_up().wait_ready()
    children = system.children()
    for role in ("worker", "mongod"):
        os.kill(system.pid_of(role) or 0, signal.SIGSTOP)
    began = time.monotonic()
    assert system.stop() == 0
    assert time.monotonic() - began < 10
    assert running(children) == []


def test_a_second_signal_ends_everything_at_once(start_up: StartUp) -> None:
    system = start_up().wait_ready()
    children = system.children()
    os.kill(system.pid_of("worker") or 0, signal.SIGSTOP)
    system.process.send_signal(signal.SIGINT)
    wait_until(lambda: "Stopping" in system.printed, what="the first one heard")
    began = time.monotonic()
    assert system.stop(signal.SIGINT) == 0
    assert time.monotonic() - began < 3
    assert running(children) == []


def test_after_a_kill_the_next_one_ends_the_orphans(start_up: StartUp) -> None:
    first = start_up().wait_ready()
    orphans = first.children()
    first.kill("up")
    assert len(running(orphans)) == len(ROLES)

    began = time.monotonic()
    second = start_up().wait_ready()
    assert time.monotonic() - began < 30
    assert running(orphans) == []
    for role in ROLES:
        assert re.search(rf"^  {role} +was still running", second.printed, re.MULTILINE)
    assert second.is_healthy()


def test_after_everything_was_killed_the_next_one_starts(start_up: StartUp) -> None:
    first = start_up().wait_ready()
    for role in ("up", *ROLES):
        first.kill(role)
    assert start_up().wait_ready().is_healthy()


def test_a_dead_child_is_replaced_and_the_others_go_on(start_up: StartUp) -> None:
    system = start_up().wait_ready()
    body = {"name": "A", "phoneNumberId": "111111111111111", "accessToken": "mock_a"}
    assert request(f"{system.url}/tenants/register", body=body).status == 201
    before = {role: system.pid_of(role) for role in ROLES}
    for role in ("worker", "valkey", "mongod", "api"):
        system.wait_replaced(role, system.kill(role))
        system.wait_healthy()
    after = {role: system.pid_of(role) for role in ROLES}
    assert all(before[role] != after[role] for role in ROLES)
    assert len(request(f"{system.url}/tenants").json["items"]) == 1
    assert "mongod was ended by signal 9" in system.printed


def test_five_deaths_in_a_minute_end_it(start_up: StartUp) -> None:
    system = start_up().wait_ready()
    children = system.children()
    for _ in range(4):
        system.wait_replaced("worker", system.kill("worker"))
    children += system.children()
    system.kill("worker")
    assert system.process.wait(15) == 1
    assert re.match(
        r"manyline: worker was ended by signal 9: .* \(5 times within a minute\)$",
        last_line(system),
    )
    assert running(children) == []


async def test_stores_that_are_named_are_used_and_not_started(
    start_up: StartUp, tmp_path: Path
) -> None:
    async with EmbeddedServers(tmp_path / "servers") as servers:
        system = start_up(
            MONGO_URI=servers.mongo_uri,
            REDIS_HOST=servers.redis_host,
            REDIS_PORT=str(servers.redis_port),
        ).wait_ready()
        assert len(system.children()) == 2
        assert system.pid_of("mongod") is None
        assert system.stop() == 0


def test_with_the_simulator_a_reply_is_read_through_signed_webhooks(start_up: StartUp) -> None:
    system = start_up("--simulator").wait_ready()
    body = {"name": "Tenant A", "phoneNumberId": "111111111111111", "accessToken": "EAA-real"}
    tenant = request(f"{system.url}/tenants/register", body=body).json["tenantId"]
    order = {"phone_number_id": "111111111111111", "from": "919111111111", "text": "hi"}
    assert request(f"{system.simulator_url}/_sim/inbound", body=order).status == 200

    def reply_was_read() -> bool:
        items = request(f"{system.url}/tenants/{tenant}/messages").json["items"]
        return [item["status"] for item in items if item["direction"] == "OUT"] == ["read"]

    wait_until(reply_was_read, what="the reply to be read")
    unsigned = request(f"{system.url}/whatsapp/webhook", body={"entry": []})
    assert unsigned.status == 401
    assert "unsigned ones (plain curl) are refused" in system.printed
    secret = system.data / "simulator.app-secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.read_text().strip() not in system.printed


def refused(system: System) -> str:
    """The one line with which it ended before it started anything, after its first."""
    assert system.process.wait(20) not in {0, -signal.SIGKILL}
    complaints = [line for line in system.printed.splitlines() if line.startswith("manyline: ")]
    assert len(complaints) == 1, system.printed
    assert "Traceback" not in system.printed
    assert not (system.data / "processes.json").exists() or system.pid_of("mongod") is None
    return complaints[0]


def test_a_taken_port_is_one_clear_line(start_up: StartUp) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen(1)
        port = stranger.getsockname()[1]
        assert f"port {port} is taken by another program" in refused(start_up(PORT=str(port)))


def test_a_bad_setting_is_one_clear_line(start_up: StartUp) -> None:
    line = refused(start_up(MASTER_KEY="too short"))
    assert "MASTER_KEY must be 32 bytes" in line
    assert "too short" not in line


def test_an_unusable_data_directory_is_one_clear_line(start_up: StartUp, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    line = refused(start_up(MANYLINE_DATA_DIR=str(tmp_path / "a file" / "data")))
    assert "a file/data cannot be written to" in line


def test_a_password_for_the_private_valkey_is_one_clear_line(start_up: StartUp) -> None:
    line = refused(start_up(REDIS_PASSWORD="secret"))
    assert "REDIS_PASSWORD is set but REDIS_HOST is not" in line


def test_a_missing_binary_is_one_clear_line(start_up: StartUp, tmp_path: Path) -> None:
    (tmp_path / "shadow" / "fiftyone").mkdir(parents=True)
    (tmp_path / "shadow" / "fiftyone" / "__init__.py").write_text("")
    line = refused(start_up(PYTHONPATH=str(tmp_path / "shadow"), PATH="/nowhere"))
    assert "there is no mongod" in line
    assert "MONGO_URI" in line


def test_a_mongod_that_cannot_start_is_one_clear_line(start_up: StartUp, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "mongod").write_text(
        "#!/bin/sh\necho 'mongod: error while loading shared libraries: libcurl.so.4:"
        " cannot open shared object file: No such file or directory' >&2\nexit 127\n"
    )
    (programs / "mongod").chmod(0o755)
    (tmp_path / "shadow" / "fiftyone").mkdir(parents=True)
    (tmp_path / "shadow" / "fiftyone" / "__init__.py").write_text("")
    system = start_up(PYTHONPATH=str(tmp_path / "shadow"), PATH=f"{programs}:{os.environ['PATH']}")
    line = refused(system)
    assert "mongod exited with 127: it needs the shared library libcurl.so.4" in line
    assert "apt-get install libcurl4" in line
