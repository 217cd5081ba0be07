"""`start_up` starts a whole system on a fresh data directory; `system` is one that tests share.

Who uses the shared one leaves it as it was: running, with tenants of the test's own making only.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.system import System

StartUp = Callable[..., System]


@pytest.fixture
def start_up(tmp_path: Path) -> Iterator[StartUp]:
    """`start_up(*options, data=Path, **environment)`: start one, on the test's own directory."""
    started: list[System] = []

    def start(*options: str, data: Path | None = None, **environment: str) -> System:
        system = System(data or tmp_path / "data", *options, **environment)
        started.append(system)
        return system

    yield start
    for system in reversed(started):
        system.end()


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One that is ready, for all tests of the run."""
    system = System(tmp_path_factory.mktemp("system") / "data")
    try:
        yield system.wait_ready()
    finally:
        system.end()
