"""Ports that are chosen once and kept."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from manyline.infra.embedded.ports import PORTS, KeptPorts, is_free


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        yield listener.getsockname()[1]


def test_a_port_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = KeptPorts(file).claim("mongod")
    assert first in PORTS
    assert KeptPorts(file).claim("mongod") == first


def test_roles_get_ports_of_their_own(tmp_path: Path) -> None:
    ports = KeptPorts(tmp_path / "ports.json")
    first = ports.claim("mongod")
    assert ports.claim("valkey", prefer=first) != first


def test_a_kept_port_that_was_taken_is_replaced(tmp_path: Path, taken_port: int) -> None:
    file = tmp_path / "ports.json"
    file.write_text(json.dumps({"mongod": taken_port, "valkey": 25_000}))
    fresh = KeptPorts(file).claim("mongod")
    assert fresh not in {taken_port, 25_000}
    assert json.loads(file.read_text()) == {"mongod": fresh, "valkey": 25_000}


def test_a_wish_counts_when_it_is_free(tmp_path: Path, taken_port: int) -> None:
    ports = KeptPorts(tmp_path / "ports.json")
    assert ports.claim("simulator", prefer=taken_port) in PORTS
    free = next(port for port in PORTS if is_free(port))
    assert ports.claim("another", prefer=free) == free


@pytest.mark.parametrize("text", ["", "[]", "{", '{"mongod": "x"}'])
def test_a_damaged_file_keeps_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ports.json"
    file.write_text(text)
    assert KeptPorts(file).claim("mongod") in PORTS


def test_an_address_of_another_machine_is_an_error_not_a_taken_port() -> None:
    with pytest.raises(OSError, match="assign requested address"):
        is_free(25_000, "192.0.2.1")
