"""Programs that the benchmark needs and Python packages do not bring."""

import shutil


class BenchError(Exception):
    """The benchmark cannot go on; the message is the one line a person reads."""


def find(name: str) -> str:
    """The program's path; raises `BenchError` with the line that installs it."""
    # Debian keeps nginx where only root's PATH looks.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise BenchError(f"{name} is missing: apt-get install {name}")
    return found


def find_profiler() -> str:
    """py-spy's path; raises `BenchError`."""
    found = shutil.which("py-spy")
    if found is None:
        raise BenchError(
            "py-spy is missing, which takes the profiles: install it anywhere on the PATH, such as"
            " `python3 -m venv /tmp/py-spy && /tmp/py-spy/bin/pip install py-spy`"
        )
    return found
