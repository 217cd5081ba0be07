"""Tables, as a terminal shows them and as Markdown has them."""

from collections.abc import Sequence

Row = Sequence[str]


def plain(rows: Sequence[Row], *, left: Sequence[int] = (0,)) -> str:
    """Columns as wide as their widest cell; those in `left` to the left, the others to the right.

    The first row is the heading.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(rows: Sequence[Row]) -> str:
    """The first row is the heading."""
    heading, *others = rows
    lines = [_line(heading), _line(["---"] * len(heading)), *map(_line, others)]
    return "\n".join(lines)


def _line(row: Row) -> str:
    return "| " + " | ".join(row) + " |"
