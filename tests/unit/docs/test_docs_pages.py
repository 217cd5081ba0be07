"""Pages made from the code are those that are committed, and say all that the code knows."""

import re
import shutil
from pathlib import Path

import pytest

from manyline.meta.catalogue import CATALOGUE, PLATFORM_DOES
from tools.docs_pages import PAGES, ROOT, between_markers, errors_page, main, outdated


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_the_committed_page_is_what_the_code_makes(path: Path) -> None:
    stale = dict(outdated())
    assert ROOT / path not in stale, "run python -m tools.docs_pages"


def test_check_changes_nothing_and_says_what_is_stale(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tools.docs_pages.ROOT", tmp_path)
    monkeypatch.setattr("tools.docs_pages.outdated", lambda: iter([(tmp_path / "a.md", "new")]))
    assert main(["--check"]) == 1
    assert "a.md" in capsys.readouterr().out
    assert not (tmp_path / "a.md").exists()
    assert main([]) == 0
    assert (tmp_path / "a.md").read_text() == "new"
    assert main(["--chek"]) == 2


def test_a_page_that_is_missing_or_old_is_outdated(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for partly_made in ("delivery.md", "webhooks.md"):
        shutil.copy(ROOT / "docs" / partly_made, tmp_path / "docs")
    assert tmp_path / "docs/errors.md" in dict(outdated(tmp_path))
    (tmp_path / "docs/errors.md").write_text(errors_page(""))
    assert tmp_path / "docs/errors.md" not in dict(outdated(tmp_path))


def test_every_error_has_its_line() -> None:
    page = errors_page("")
    shown = {int(code) for code in re.findall(r"^\| \[(\d+)\]\[\w+\]", page, re.MULTILINE)}
    assert shown == {code for code in CATALOGUE if not 200 <= code < 300}
    assert "| [200 to 299][" in page
    for row in CATALOGUE.values():
        assert f" | {row.meaning} | {row.fix} |" in page
    for words in PLATFORM_DOES.values():
        assert words in page


def test_every_link_leads_somewhere() -> None:
    page = errors_page("")
    places = dict(re.findall(r"^\[(\w+)\]: (https://\S+)$", page, re.MULTILINE))
    assert set(re.findall(r"\]\[(\w+)\]", page)) == set(places)


def test_every_line_has_as_many_cells_as_its_table() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", errors_page(""), re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table[:80]


def test_a_part_is_replaced_and_the_rest_is_left() -> None:
    text = "before\n<!-- made: states -->\nold\n<!-- end: states -->\nafter\n"
    made = between_markers(text, "states", "new\nlines\n\n")
    assert made == "before\n<!-- made: states -->\nnew\nlines\n<!-- end: states -->\nafter\n"
    assert between_markers(made, "states", "new\nlines") == made


@pytest.mark.parametrize(
    "text",
    ["", "<!-- made: x -->\n", "<!-- end: x -->\n<!-- made: x -->\n",
     "<!-- made: x -->\n<!-- end: x -->\n<!-- made: x -->\n<!-- end: x -->\n"],
)  # fmt: skip
def test_a_part_without_its_place_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="made: x"):
        between_markers(text, "x", "new")
