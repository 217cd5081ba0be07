"""A module's name says what is in it; these names say nothing, so everything ends up there."""

from collections.abc import Iterator
from pathlib import Path

from tools.lint.finding import Finding

RULE = "module-names"
EMPTY_WORDS = frozenset(
    {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"}
)


def check(path: Path, _source: str) -> Iterator[Finding]:
    """Findings for one module and the packages that it lies in; `path` is relative."""
    for part in path.with_suffix("").parts:
        if EMPTY_WORDS & set(part.split("_")):
            yield Finding(
                path, 1, RULE, f"`{part}` says nothing; name it after the thing that it deals with"
            )
