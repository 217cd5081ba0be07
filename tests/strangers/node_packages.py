"""npm packages for tests: installed once per lock file, in pytest's cache."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

MANIFEST = ("package.json", "package-lock.json", ".npmrc")
INSTALL = ("npm", "ci", "--omit=dev", "--omit=optional", "--ignore-scripts")
INSTALL_SECONDS = 600


def need_node() -> None:
    """Skip the test where Node.js is not installed; nothing else of this kind is a reason."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not found: install Node.js 20 or newer to run this")


def installed(folder: Path, cache: Path) -> Path:
    """A directory with `folder`'s packages in `node_modules` and its scripts beside them.

    The scripts are copied, and fresh each time: Node resolves an import from where a file is.
    """
    content = b"".join((folder / name).read_bytes() for name in MANIFEST)
    home = cache / f"{folder.name}-{hashlib.sha256(content).hexdigest()[:16]}"
    if not home.exists():
        _install(folder, home)
    for script in [*folder.glob("*.js"), *folder.glob("*.mjs")]:
        shutil.copy(script, home)
    return home


def _install(folder: Path, home: Path) -> None:
    """Beside its place and then moved there, so that no other run sees half of it."""
    home.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{home.name}.", dir=home.parent))
    try:
        for name in MANIFEST:
            shutil.copy(folder / name, draft)
        done = subprocess.run(
            INSTALL, cwd=draft, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
        assert done.returncode == 0, f"npm ci failed in {folder}:\n{done.stderr}"
        if not home.exists():
            draft.rename(home)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
