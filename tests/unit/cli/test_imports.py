"""What `manyline up` loads before it starts anything: every second of that is one of `make run`."""

import subprocess
import sys

import pytest

LOADED = """\
import sys
import manyline.entry.cli.main
import {module}
print(*sys.modules)
"""
FOR_OTHERS = {
    # For tables, which `up` does not print.
    "rich",
    # For --reload, which was not asked for.
    *("manyline.entry.cli.reload", "manyline.entry.cli.standby", "manyline.entry.cli.sources"),
    # For the children: they take about a second, and take it beside one another.
    *("fastapi", "starlette", "uvicorn", "pymongo", "redis", "bullmq", "aiohttp"),
    # For single commands.
    *("manyline.entry.cli.client", "manyline.entry.cli.doctor.examine"),
}


def loaded(module: str) -> set[str]:
    line = [sys.executable, "-c", LOADED.format(module=module)]
    return set(subprocess.run(line, capture_output=True, text=True, check=True).stdout.split())


def test_up_loads_nothing_that_is_for_others() -> None:
    found = loaded("manyline.entry.cli.up")
    assert {"manyline.entry.cli.up", "manyline.entry.cli.announce"} <= found
    assert found & FOR_OTHERS == set()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("manyline.entry.api.server", "fastapi"),
        ("manyline.entry.cli.reload", "manyline.entry.cli.sources"),
        ("rich.console", "rich"),
    ],
)
def test_the_names_are_those_under_which_they_would_be_found(module: str, name: str) -> None:
    assert name in loaded(module) & FOR_OTHERS
