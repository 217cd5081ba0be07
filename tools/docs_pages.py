"""Pages of `docs/`, or parts of them, that are made from the code.

    python -m tools.docs_pages           # write what is out of date
    python -m tools.docs_pages --check   # change nothing; 1 if something is out of date

A page is a function from its present text to the text it should have, listed in `PAGES`. One that
owns the whole page ignores what is there; one that owns a part replaces it with `between_markers`.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import product
from pathlib import Path

from manyline.messages.states import FROM_META, RANK, STEPS, MessageStatus, Move
from manyline.meta.catalogue import (
    CATALOGUE,
    FALL_BACK_ROWS,
    PERMISSION_CODES,
    PLATFORM_DOES,
    ErrorClass,
    ErrorRow,
)
from manyline.meta.error_rows.row import (
    ERROR_CODES_PAGE,
    FLOW_HEALTH_PAGE,
    GRAPH_ERRORS_PAGE,
    GRAPH_LIMITS_PAGE,
)
from tools.webhooks_tables import (
    accounts_table,
    messages_table,
    numbers_table,
    outcomes_table,
)

ROOT = Path(__file__).parents[1]

TITLES: Mapping[ErrorClass, str] = {
    ErrorClass.TOKEN: "The access token",
    ErrorClass.ACCOUNT: "The WhatsApp account",
    ErrorClass.NUMBER: "The business number",
    ErrorClass.RECIPIENT: "The recipient",
    ErrorClass.CONTENT: "The message itself",
    ErrorClass.BACKOFF: "Meta has trouble",
    ErrorClass.WAIT_NUMBER: "Too fast for the number",
    ErrorClass.WAIT_PAIR: "Too fast for one recipient",
    ErrorClass.WAIT_APP: "Too many calls in an hour",
    ErrorClass.WAIT_LONG: "Not for a while",
}

LABELS: Mapping[Move, str] = {
    Move.CLAIM: "call",
    Move.SETTLE_SENT: "taken",
    Move.TRY_AGAIN: "not taken, try again",
    Move.FAIL: "refused for good",
    Move.DOUBT: "no answer",
    Move.REPLAY: "replay",
    Move.RESEND: "policy resend",
    Move.MARK_SENT: "mark sent",
}
"""What stands at an arrow."""

LINKS: Mapping[str, str] = {
    ERROR_CODES_PAGE: "codes",
    GRAPH_ERRORS_PAGE: "graph",
    GRAPH_LIMITS_PAGE: "limits",
    FLOW_HEALTH_PAGE: "flows",
}
"""Meta's pages, by the names under which rows refer to them."""

WEBHOOKS_TABLES: Mapping[str, Callable[[], str]] = {
    "messages": messages_table,
    "numbers": numbers_table,
    "accounts": accounts_table,
    "outcomes": outcomes_table,
}

INTRODUCTION = """\
# Errors of WhatsApp

Why is a message not sent? Each error of Meta's Cloud API has a code, and each code has a row here:
what it means, what Manyline does by itself, and what is left for you to do.

An error may also come later, inside a `failed` status: Meta had taken the message and then gave it
up. It means the same, but the message has failed, whatever the class.

This page is made from the code (`python -m tools.docs_pages`); change the catalogue, not the page.
"""

FALL_BACK = """\
## Codes that are not listed

Meta adds codes now and then. One that is not listed is taken as what comes with it suggests:

| what comes with it | class | meaning | what to do | Meta |
|---|---|---|---|---|
"""


def errors_page(_present: str) -> str:
    """`docs/errors.md`: the error catalogue, a section for each class."""
    links = "".join(f"[{name}]: {href}\n" for href, name in LINKS.items())
    classes = (_class_section(one) for one in TITLES)
    return "\n".join([INTRODUCTION, *classes, _fall_back_section(), links])


def delivery_page(present: str) -> str:
    """`docs/delivery.md`: its diagram and its table of moves, from the states' own tables."""
    with_diagram = between_markers(present, "diagram", states_diagram())
    return between_markers(with_diagram, "moves", moves_table())


def webhooks_page(present: str) -> str:
    """`docs/webhooks.md`: its tables of what arrives."""
    for name, made in WEBHOOKS_TABLES.items():
        present = between_markers(present, name, made())
    return present


PAGES: Mapping[Path, Callable[[str], str]] = {
    Path("docs/errors.md"): errors_page,
    Path("docs/delivery.md"): delivery_page,
    Path("docs/webhooks.md"): webhooks_page,
}
"""Every made page, by its path from the repository's root."""


def states_diagram() -> str:
    """Every way of an outgoing message from one state to another, as Mermaid draws it."""
    labels: dict[tuple[MessageStatus, MessageStatus], list[str]] = {}
    for move, step in STEPS.items():
        for source in step.sources:
            labels.setdefault((source, step.target), []).append(LABELS[move])
    for source, target in product(MessageStatus, dict.fromkeys(FROM_META.values())):
        if source is not MessageStatus.RECEIVED and RANK[source] < RANK[target]:
            labels.setdefault((source, target), []).append("Meta says so")
    arrows = [
        f"    {source} --> {target}: {' or '.join(why)}" for (source, target), why in labels.items()
    ]
    lines = ["stateDiagram-v2", "    [*] --> queued: accepted", *arrows]
    return "```mermaid\n" + "\n".join(lines) + "\n```"


def moves_table() -> str:
    """What Manyline does to a message, and why."""
    rows = [
        f"| {' or '.join(f'`{source}`' for source in step.sources)} | `{step.target}` |"
        f" {step.because} |"
        for step in STEPS.values()
    ]
    return "| from | to | because |\n|---|---|---|\n" + "\n".join(rows)


def between_markers(text: str, name: str, content: str) -> str:
    """`text` with `content` between the lines `<!-- made: name -->` and `<!-- end: name -->`.

    Raises `ValueError` unless both lines are there once, in this order.
    """
    begin, end = f"<!-- made: {name} -->\n", f"<!-- end: {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"the text needs one pair of lines {begin.strip()} and {end}")
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}{content.rstrip()}\n{end}{after}"


def outdated(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """The pages that are not what they should be, with the text they should have."""
    for path, make in PAGES.items():
        page = root / path
        present = page.read_text(encoding="utf-8") if page.exists() else ""
        wanted = make(present)
        if wanted != present:
            yield page, wanted


def _class_section(error_class: ErrorClass) -> str:
    rows = [row for row in CATALOGUE.values() if row.error_class is error_class]
    waits = any(row.delay for row in rows)
    lines = [
        f"## {TITLES[error_class]}: `{error_class.value}`\n",
        f"{PLATFORM_DOES[error_class]}\n",
        "| code | meaning | what to do |" + (" wait |" if waits else ""),
        "|---|---|---|" + ("---|" if waits else ""),
    ]
    for row in sorted(rows, key=lambda row: row.code or 0):
        code = _shown_code(row)
        if code is not None:
            line = f"| [{code}][{LINKS[row.href]}] | {row.meaning} | {row.fix} |"
            lines.append(line + (f" {_shown_wait(row.delay)} |" if waits else ""))
    return "\n".join(lines) + "\n"


def _shown_code(row: ErrorRow) -> str | None:
    """The block of missing permissions is one line."""
    if row.code not in PERMISSION_CODES:
        return str(row.code)
    first, last = PERMISSION_CODES[0], PERMISSION_CODES[-1]
    return f"{first} to {last}" if row.code == first else None


def _shown_wait(delay: timedelta | None) -> str:
    if delay is None:
        return ""
    minutes = int(delay.total_seconds()) // 60
    if minutes % 60 == 0:
        return f"{minutes // 60} h"
    return f"{minutes} min"


def _fall_back_section() -> str:
    rows = [
        f"| {sign} | `{row.error_class.value}` | {row.meaning} | {row.fix} |"
        f" [page][{LINKS[row.href]}] |"
        for sign, row in FALL_BACK_ROWS.items()
    ]
    return FALL_BACK + "\n".join(rows) + "\n"


def main(arguments: list[str]) -> int:
    """0 when all is well; with `--check`, 1 when a page is out of date."""
    check = arguments == ["--check"]
    if arguments and not check:
        print("usage: python -m tools.docs_pages [--check]", file=sys.stderr)
        return 2
    stale = list(outdated())
    for page, wanted in stale:
        if check:
            print(f"{page.relative_to(ROOT)} is out of date: run python -m tools.docs_pages")
        else:
            page.write_text(wanted, encoding="utf-8")
            print(f"wrote {page.relative_to(ROOT)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
