"""The development key: made once, by however many start together, and for its owner's eyes."""

import stat
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from manyline.base.errors import SettingsError
from manyline.vault.development_key import FILE_NAME, development_key


def test_made_once_and_kept_private(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    key = development_key(data_dir)
    assert len(key) == 32
    assert development_key(data_dir) == key
    assert stat.S_IMODE((data_dir / FILE_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert [file.name for file in data_dir.iterdir()] == [FILE_NAME]
    assert development_key(tmp_path / "other") != key


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    context = get_context("fork")
    with ProcessPoolExecutor(4, mp_context=context) as pool:
        keys = list(pool.map(development_key, [tmp_path / "data"] * 8))
    assert len(set(keys)) == 1
    assert [file.name for file in (tmp_path / "data").iterdir()] == [FILE_NAME]


def test_a_draft_left_by_a_crash_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Process ids repeat: in a container the same one starts every time."""
    monkeypatch.setattr("os.getpid", lambda: 7)
    (tmp_path / f".{FILE_NAME}.7").write_text("ha")
    assert len(development_key(tmp_path)) == 32


@pytest.mark.parametrize("content", ["", "short", "zz" * 32, "ab" * 31])
def test_a_spoilt_file_is_named_with_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(SettingsError) as raised:
        development_key(tmp_path)
    told = raised.value.detail
    assert str(tmp_path / FILE_NAME) in told
    assert "MASTER_KEY" in told
    assert not content or content not in told


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="master key"):
        development_key(tmp_path / "file" / "data")
