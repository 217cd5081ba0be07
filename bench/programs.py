"""Programs that the benchmark needs and Python packages do not bring."""

import os
import shutil
import sys
from pathlib import Path


class BenchError(Exception):
    """The benchmark cannot go on; the message is the one line a person reads."""


def find(name: str) -> str:
    """The program's path; raises `BenchError` with the line that installs it."""
    found = _path(name)
    if found is None:
        raise BenchError(f"{name} is missing: apt-get install {name}")
    return found


def need(*names: str) -> None:
    """Raises `BenchError` with one line that installs all of these programs that are missing."""
    packages = {"node": "nodejs"}
    missing = [name for name in names if _path(name) is None]
    if missing:
        wanted = " ".join(packages.get(name, name) for name in missing)
        raise BenchError(
            f"{', '.join(missing)}: missing. Debian has them: apt-get install {wanted}"
        )


def find_profiler() -> str:
    """py-spy's path, beside this Python; raises `BenchError`."""
    found = shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if found is None:
        raise BenchError("py-spy is missing, which takes the profiles: `make profile` installs it")
    return found


def from_checkout() -> dict[str, str]:
    """The environment for a program of the benchmark's own, which is in no installed package."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


def _path(name: str) -> str | None:
    return shutil.which(name)
