"""The master key of a development machine: made once, kept 0600 in the data directory."""

import os
import secrets
from pathlib import Path

from manyline.base.errors import SettingsError
from manyline.settings import decode_master_key

FILE_NAME = "master.key"


def development_key(data_dir: Path) -> bytes:
    """The key in `data_dir`, made there when missing; raises `SettingsError` if unusable.

    Processes that start together agree: the file appears whole, by a link, and only once.
    """
    path = data_dir / FILE_NAME
    try:
        if not path.exists():
            _make(path)
        return decode_master_key(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the development master key {path} cannot be used ({error}); set MASTER_KEY, or"
            " restore the file from a backup (without it, stored tokens cannot be opened)"
        ) from None


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{FILE_NAME}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # Another process made it first; theirs is the key.
    finally:
        draft.unlink()
