"""Showing what the API answers to a person: tables and lists of facts, or the JSON as it came."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

NO_VALUE = "-"


def show_json(value: object) -> None:
    """For a program to read; on a terminal nothing of it acts on that.

    JSON itself escapes only what is below U+0020: neither C1 controls nor bidirectional marks.
    """
    console = _console()
    console.print_json(json.dumps(value), ensure_ascii=console.is_terminal)


def show_table(columns: Mapping[str, str], items: Sequence[Mapping[str, Any]]) -> None:
    """One line an item; `columns` is heading to field, with dots for a field of a field.

    Only the last column is cut to the terminal's width: an id that is cut short is of no use.
    """
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    rows = [list(columns)]
    rows += [[one_line(_field(item, field)) for field in columns.values()] for item in items]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    console = _console()
    for number, row in enumerate(rows):
        padded = [set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True)]
        line = Text("  ".join([*padded[:-1], row[-1]]), style="" if number else "bold")
        line.truncate(console.width, overflow="ellipsis")
        console.print(line, soft_wrap=True)


def show_more(page: Mapping[str, Any]) -> None:
    """How to go on, where there is more."""
    if page.get("nextCursor"):
        say(f"more: --cursor {page['nextCursor']}")


def show_facts(item: Mapping[str, Any]) -> None:
    """One line a field; fields of fields by their path."""
    from rich.text import Text  # noqa: PLC0415

    facts = _facts(item)
    width = max((len(name) for name, _ in facts), default=0)
    for name, value in facts:
        line = Text(name.ljust(width), style="bold")
        line.append(f"  {one_line(value)}", style="not bold")
        _console().print(line, soft_wrap=True)


def say(line: str) -> None:
    """One line, as it is."""
    _console().print(line, markup=False, highlight=False, soft_wrap=True)


def one_line(value: object) -> str:
    """Anything as one line that a terminal may be given.

    Customers choose these texts: what is no printable character (an escape sequence would act on
    the operator's terminal) is shown as a mark.
    """
    if value is None:
        return NO_VALUE
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = " ".join(str(value).split())
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _facts(item: Mapping[str, Any], before: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, value in item.items():
        if isinstance(value, Mapping) and value:
            found += _facts(value, f"{before}{name}.")
        elif value is not None:
            found.append((before + name, value if value != {} else NO_VALUE))
    return found


def _field(item: Mapping[str, Any], path: str) -> object:
    found: Any = item
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _console() -> Any:
    """Imported here: `manyline --help` needs no more of it than typer does."""
    import sys  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    # A pipe has no width, and who reads it wants all of a text.
    return Console(width=None if sys.stdout.isatty() else 10_000)
