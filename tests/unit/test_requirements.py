"""The pinned requirements: hashed, from nowhere in particular, and the same for all purposes."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "requirements"


def pins(name: str) -> dict[str, str]:
    """`{package: version and marker}`."""
    text = (FOLDER / name).read_text()
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(.+?) *\\$", text, re.MULTILINE))


def test_tests_run_on_what_runs_in_production() -> None:
    runtime, dev = pins("runtime.txt"), pins("dev.txt")
    assert len(runtime) > 30
    assert {name: dev.get(name) for name in runtime} == runtime


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt", "uv.txt"])
def test_everything_is_pinned_and_hashed(name: str) -> None:
    lines = (FOLDER / name).read_text().splitlines()
    starts = [line for line in lines if line and line[0] not in " #"]
    assert starts
    assert all("==" in line and line.endswith("\\") for line in starts)


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_no_package_index_is_named(path: Path) -> None:
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", path.read_text())
