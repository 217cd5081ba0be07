"""On what it was measured: a figure without its machine says little."""

import os
import platform
import re
import subprocess
from pathlib import Path

from bench.programs import BenchError, find
from manyline.infra.embedded.binaries import find_mongod, find_valkey

VERSION = re.compile(r"\d+\.\d+[.\d]*")


def describe() -> dict[str, str]:
    """Name to value, in the order in which a person wants to read them."""
    return {
        "cores": str(os.cpu_count()),
        "processor": _line_of("/proc/cpuinfo", "model name") or platform.processor() or "unknown",
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "MongoDB": _version(str(find_mongod()), "--version"),
        "Valkey": _version(str(find_valkey()), "--version"),
        "Node": _version_of("node", "--version"),
    }


def _memory() -> str:
    kilobytes = _line_of("/proc/meminfo", "MemTotal").partition(" ")[0]
    return f"{int(kilobytes) / 1024**2:.0f} GiB" if kilobytes.isdigit() else "unknown"


def _line_of(file: str, name: str) -> str:
    """The value of the first `name: value` in a file of the kernel's; empty where there is none."""
    try:
        text = Path(file).read_text()
    except OSError:
        return ""
    found = re.search(rf"^{name}\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1] if found else ""


def _version_of(program: str, option: str) -> str:
    try:
        return _version(find(program), option)
    except BenchError:
        return "none"


def _version(path: str, option: str) -> str:
    """The first thing in what it prints that looks like a version."""
    ended = subprocess.run([path, option], capture_output=True, text=True, check=False)
    found = VERSION.search(ended.stdout + ended.stderr)
    return found[0] if found else "unknown"
