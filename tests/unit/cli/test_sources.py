"""Which files `--reload` takes for changed, and which of them for Python."""

import os
from pathlib import Path

import pytest

from manyline.entry.cli.sources import Sources, mistakes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "inner" / "__pycache__").mkdir(parents=True)
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "inner" / "b.py").write_text("y = 1\n")
    return tmp_path


def test_writing_adding_and_removing_are_changes_and_each_is_told_once(root: Path) -> None:
    sources = Sources(root)
    assert sources.changed() == []
    (root / "inner" / "b.py").write_text("y = 22\n")
    assert sources.changed() == [root / "inner" / "b.py"]
    assert sources.changed() == []
    (root / "inner" / "c.py").write_text("")
    (root / "a.py").unlink()
    assert sources.changed() == [root / "a.py", root / "inner" / "c.py"]


def test_the_same_size_at_another_time_is_a_change(root: Path) -> None:
    sources = Sources(root)
    os.utime(root / "a.py", ns=(1, 1))
    assert sources.changed() == [root / "a.py"]


def test_what_editors_and_python_itself_leave_behind_is_none(root: Path) -> None:
    sources = Sources(root)
    (root / "inner" / "__pycache__" / "b.cpython-311.py").write_text("")
    (root / ".#a.py").symlink_to("nowhere")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "d.py").write_text("")
    (root / "a.py~").write_text("")
    (root / "notes.md").write_text("")
    assert sources.changed() == []


def test_a_folder_that_goes_takes_its_files_along(root: Path) -> None:
    sources = Sources(root)
    (root / "inner" / "b.py").rename(root / "moved.txt")
    (root / "inner" / "__pycache__").rmdir()
    (root / "inner").rmdir()
    assert sources.changed() == [root / "inner" / "b.py"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"def f(:\n", "invalid syntax"),
        (b"\n\nreturn 1\n", "'return' outside function"),
        (b"x = '\xff'\n", "utf-8"),
        (b"x = 1\0\n", "null bytes"),
    ],
)
def test_a_file_that_is_no_python_is_named_with_its_line(
    root: Path, text: bytes, complaint: str
) -> None:
    broken = root / "broken.py"
    broken.write_bytes(text)
    [line] = mistakes([root / "a.py", broken])
    assert line.startswith(str(broken))
    assert complaint in line


def test_python_and_files_that_are_gone_are_fine(root: Path) -> None:
    assert mistakes([root / "a.py", root / "gone.py"]) == []
