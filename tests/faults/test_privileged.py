"""The network that can be cut and the disk that can be full; skipped where there is neither."""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.disk import Disk, open_disk
from tests.faults.hosts import META
from tests.faults.network import PREFIX, Network, open_network
from tests.faults.row import NotPlayableError
from tests.faults.stage import ROOT

ECHO = """
import socket, sys
listener = socket.create_server((sys.argv[1], 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
while said := connection.recv(100):
    connection.sendall(said)
"""
CRASHES = """
import os
from pathlib import Path
from tests.faults.disk import open_disk
from tests.faults.network import open_network
with open_network(["left"]), open_disk(Path(os.environ["LEFT"]), 1):
    os._exit(1)
"""
SILENCE_SECONDS = 0.5
AGAIN_SECONDS = 10.0
"""The kernel tries again at growing intervals; after half a second's silence within one."""


@pytest.fixture
def network() -> Iterator[Network]:
    try:
        with open_network(["one", "other"]) as opened:
            yield opened
    except NotPlayableError as reason:
        pytest.skip(str(reason))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    try:
        with open_disk(tmp_path / "disk", 1) as opened:
            yield opened
    except NotPlayableError as reason:
        pytest.skip(str(reason))


@contextmanager
def connected(network: Network, name: str) -> Iterator[socket.socket]:
    """A connection to a process on that host, which says all again that it hears."""
    address = network.address(name)
    argv = network.command(name, [sys.executable, "-c", ECHO, address])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            with socket.create_connection((address, port), timeout=AGAIN_SECONDS) as connection:
                yield connection
        finally:
            process.kill()


@pytest.mark.parametrize("off", [True, False])
def test_who_is_cut_off_hears_nothing_and_everything_later(network: Network, off: bool) -> None:
    with connected(network, "one") as one, connected(network, "other") as other:
        one.sendall(b"1")
        assert one.recv(100) == b"1"
        if off:
            network.cut_off("one")
        else:
            network.cut(META, "one")
        one.sendall(b"2")
        one.settimeout(SILENCE_SECONDS)
        with pytest.raises(TimeoutError):
            one.recv(100)
        assert network.connections("one", META) == 1
        other.sendall(b"3")
        assert other.recv(100) == b"3"
        network.heal()
        one.settimeout(AGAIN_SECONDS)
        assert one.recv(100) == b"2"


def test_a_disk_is_full_until_it_is_cleared(disk: Disk) -> None:
    file = disk.directory / "file"
    file.write_bytes(bytes(5000))
    disk.fill()
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        file.write_bytes(bytes(500_000))
    disk.clear()
    file.write_bytes(bytes(500_000))


def test_the_next_run_clears_what_a_crash_has_left(tmp_path: Path) -> None:
    environment = {**os.environ, "LEFT": str(tmp_path / "left"), "PYTHONPATH": f"{ROOT}"}
    crashed = subprocess.run(
        [sys.executable, "-c", CRASHES],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if "NotPlayableError" in crashed.stderr:
        pytest.skip(crashed.stderr.splitlines()[-1])
    assert len(still_there(tmp_path)) == 2
    with open_network(["one"]), open_disk(tmp_path / "disk", 1):
        assert still_there(tmp_path) == []


def still_there(directory: Path) -> list[str]:
    """The host and the disk of who has crashed; other runs may have theirs."""
    mounts = Path("/proc/mounts").read_text().splitlines()
    hosts = [path.name for path in Path("/run/netns").glob(f"{PREFIX}left")]
    return hosts + [line for line in mounts if str(directory / "left") in line]
