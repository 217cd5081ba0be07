"""The findings, for a person or for a program."""

import sys
from collections.abc import Sequence
from dataclasses import asdict

from manyline.entry.cli.doctor.findings import Finding, State
from manyline.entry.cli.show import one_line, show_json

MARKS = {
    State.OK: ("✓", "green"),
    State.WARNING: ("!", "yellow"),
    State.BROKEN: ("✗", "red"),
    State.SKIPPED: ("-", "dim"),
}
WIDTH = 16


def show_findings(findings: Sequence[Finding], *, as_json: bool) -> bool:
    """Print them; answers whether nothing is broken."""
    fine = not any(finding.state is State.BROKEN for finding in findings)
    if as_json:
        show_json({"ok": fine, "checks": [asdict(finding) for finding in findings]})
    else:
        _for_a_person(findings)
    return fine


def _for_a_person(findings: Sequence[Finding]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(soft_wrap=True, highlight=False)
    for finding in findings:
        mark, colour = MARKS[finding.state]
        line = Text()
        line.append(f"{_printable(mark, console.encoding)} ", style=colour)
        line.append(f"{finding.name:<{WIDTH}} {one_line(finding.detail)}")
        console.print(line)
        if finding.fix is not None:
            console.print(Text(f"  {'':<{WIDTH}} -> {one_line(finding.fix)}", style=colour))
    count = sum(finding.state is State.BROKEN for finding in findings)
    warnings = sum(finding.state is State.WARNING for finding in findings)
    more = f", {warnings} to look at" if warnings else ""
    console.print(f"\n{count} broken{more}" if count else f"\nNothing is broken{more}")


def _printable(mark: str, encoding: str) -> str:
    """A terminal of another age gets a letter, and no traceback."""
    try:
        mark.encode(encoding or sys.getdefaultencoding())
    except UnicodeEncodeError:
        return {"✓": "+", "✗": "x"}.get(mark, mark)
    return mark
