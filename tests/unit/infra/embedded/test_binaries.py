"""Finding the servers' programs."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from manyline.infra.embedded import binaries
from manyline.infra.embedded.errors import BinaryError


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No package ships a server, and the PATH is an empty folder."""

    def nothing(_name: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", nothing)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("find", "name"),
    [
        (binaries.find_mongod, "mongod"),
        (binaries.find_valkey, "valkey-server"),
        (binaries.find_valkey, "redis-server"),
    ],
)
def test_without_a_wheel_the_path_is_searched(
    no_wheels: Path, find: Callable[[], Path], name: str
) -> None:
    expected = program(no_wheels, name)
    assert find() == expected


def test_without_any_each_error_names_the_way_out(no_wheels: Path) -> None:
    with pytest.raises(BinaryError, match="MONGO_URI"):
        binaries.find_mongod()
    with pytest.raises(BinaryError, match="REDIS_HOST"):
        binaries.find_valkey()


def test_a_library_without_a_known_package_is_still_named() -> None:
    line = "mongod: error while loading shared libraries: libodd.so.1: cannot open shared object"
    assert binaries.missing_library([line]) == (
        "it needs the shared library libodd.so.1: install the package that has it"
    )
    assert binaries.missing_library(["all is well"]) is None
