"""What a terminal is given."""

import pytest

from manyline.entry.cli.show import one_line, show_facts, show_table


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (True, "yes"),
        (80, "80"),
        ("two\n lines\tand more", "two lines and more"),
        ("\x1b[31mred\x07", "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"),
        ("\u202eback", "\N{REPLACEMENT CHARACTER}back"),
        ("ধন্যবাদ 👍", "ধন্যবাদ 👍"),
    ],
)
def test_a_value_is_one_harmless_line(value: object, shown: str) -> None:
    assert one_line(value) == shown


def test_an_id_in_a_table_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    item = {"id": "6" * 24, "body": "x" * 500, "inner": {"name": "[bold]"}}
    show_table({"id": "id", "name": "inner.name", "text": "body"}, [item])
    _heading, line = capsys.readouterr().out.splitlines()
    assert line.split()[:2] == ["6" * 24, "[bold]"]


def test_facts_name_the_path_and_leave_out_what_is_not_known(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_facts({"a": 1, "inner": {"b": False}, "none": None})
    assert capsys.readouterr().out.splitlines() == ["a        1", "inner.b  no"]
