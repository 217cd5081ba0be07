"""The data directory: its mode, its lock, and what is said when it cannot be used."""

import stat
from pathlib import Path

import pytest

from manyline.infra.embedded.directory import DataDirectory, write_private
from manyline.infra.embedded.errors import DataDirectoryError


def test_it_is_ours_alone(tmp_path: Path) -> None:
    loose = tmp_path / "data"
    loose.mkdir(mode=0o755)
    directory = DataDirectory.open(loose)
    assert stat.S_IMODE(loose.stat().st_mode) == 0o700
    assert directory.log_of("api") == loose / "logs" / "api.log"
    assert directory.logs.is_dir()


def test_a_file_in_its_place_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DataDirectoryError, match=r"data cannot be written to .+MANYLINE_DATA_DIR"):
        DataDirectory.open(tmp_path / "data")


def test_one_holder_at_a_time_and_none_after_it(tmp_path: Path) -> None:
    directory = DataDirectory.open(tmp_path)
    refused = pytest.raises(DataDirectoryError, match="another `manyline up`")
    with directory.lock(), refused, directory.lock():
        pass
    with directory.lock():
        pass


def test_private_files_are_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old")
    file.chmod(0o644)
    write_private(file, "new")
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
