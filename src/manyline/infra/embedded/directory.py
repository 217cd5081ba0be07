"""The data directory: whose it is, what lies where in it, and that one `up` at a time has it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from manyline.infra.embedded.errors import DataDirectoryError

LOCK_FILE = "up.lock"


@dataclass(frozen=True)
class DataDirectory:
    """An absolute path, mode 0700, with `logs/` and one directory for each server."""

    root: Path

    @classmethod
    def open(cls, path: Path) -> "DataDirectory":
        """Make what is missing; `DataDirectoryError` when it cannot be written to."""
        directory = cls(path.expanduser().absolute())
        try:
            directory.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Customers' messages lie here: nobody else on this machine reads them.
            directory.root.chmod(0o700)
            directory.logs.mkdir(exist_ok=True)
            _check_writable(directory.root)
        except OSError as error:
            raise DataDirectoryError(
                f"the data directory {directory.root} cannot be written to"
                f" ({error.strerror or error}); set MANYLINE_DATA_DIR to one that can"
            ) from None
        return directory

    @property
    def logs(self) -> Path:
        """One file per role."""
        return self.root / "logs"

    @property
    def ports_file(self) -> Path:
        """Ports chosen once, see `KeptPorts`."""
        return self.root / "ports.json"

    @property
    def processes_file(self) -> Path:
        """Children that run now, see `ProcessRecords`."""
        return self.root / "processes.json"

    def log_of(self, role: str) -> Path:
        """Where the child of that role writes."""
        return self.logs / f"{role}.log"

    def server_data(self, name: str) -> Path:
        """A server's own directory, made when it is first asked for."""
        path = self.root / name
        path.mkdir(exist_ok=True)
        return path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the directory; `DataDirectoryError` when somebody else does.

        The kernel drops the lock when its holder dies, however; children do not inherit it.
        """
        with (self.root / LOCK_FILE).open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise DataDirectoryError(
                    f"the data directory {self.root} is in use by another `manyline up`"
                    f" (process {holder}); stop that one, or set MANYLINE_DATA_DIR to another"
                ) from None
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield


def _check_writable(root: Path) -> None:
    probe = root / ".writable"
    probe.touch()
    probe.unlink()


def write_private(path: Path, text: str) -> None:
    """Replace a small file as a whole, mode 0600: a crash leaves the old text or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
