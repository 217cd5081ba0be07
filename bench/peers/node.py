"""Node programs of the benchmark: packages installed once, exactly as their lock file says."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from bench.programs import BenchError

INSTALL_SECONDS = 300.0
LEAST_NODE = 18
# Native parts come prebuilt, so no package needs to run a script of its own.
NPM_CI = ("ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund")


def find_node() -> str:
    """The path of node; raises `BenchError` when it is missing or too old for the peer."""
    node = _find("node")
    printed = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    version = printed.stdout.strip()
    major = version.removeprefix("v").partition(".")[0]
    if not major.isdigit() or int(major) < LEAST_NODE:
        raise BenchError(
            f"the peer needs Node {LEAST_NODE} or newer and {node} says {version!r}:"
            " install a newer Node"
        )
    return node


def install(source: Path, into: Path) -> Path:
    """Copy the program to a folder below `into` and run `npm ci` there; answer that folder.

    The folder is named after the content of every file, lock file included, so what is installed
    already is used again and a changed program is installed anew. Raises `BenchError`.
    """
    find_node()
    npm = _find("npm")
    files = sorted(
        file
        for file in source.rglob("*")
        if file.is_file() and "node_modules" not in file.relative_to(source).parts
    )
    folder = into.resolve() / f"{source.name}-{_digest(source, files)}"
    if folder.is_dir():
        return folder
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for file in files:
        copy = unfinished / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    _run_npm(npm, unfinished)
    # Only what was installed to the end gets the name that is looked for.
    return unfinished.rename(folder)


def _run_npm(npm: str, folder: Path) -> None:
    try:
        done = subprocess.run(
            [npm, *NPM_CI],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BenchError(
            f"npm ci did not end within {INSTALL_SECONDS:.0f} s: is the package registry that npm"
            " is configured for within reach?"
        ) from None
    if done.returncode:
        complaint = " | ".join(done.stderr.strip().splitlines()[-3:])
        raise BenchError(f"npm ci ended with {done.returncode} in {folder}: {complaint}")


def _digest(source: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(source)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _find(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BenchError(
            f"{name} is missing, which the peer runs on: apt-get install nodejs npm, or install"
            f" Node {LEAST_NODE} or newer by any other way"
        )
    return found
