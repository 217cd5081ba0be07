"""What one check found."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """`warning`: it works, and something is not as it should be. `skipped`: could not be asked."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """`fix` says what to do, in words or a command; None where there is nothing to do."""

    name: str
    state: State
    detail: str
    fix: str | None = None


def ok(name: str, detail: str) -> Finding:
    """As it should be."""
    return Finding(name, State.OK, detail)


def warning(name: str, detail: str, fix: str) -> Finding:
    """Works, and should be looked at."""
    return Finding(name, State.WARNING, detail, fix)


def broken(name: str, detail: str, fix: str) -> Finding:
    """Messages are lost, held up or refused because of this."""
    return Finding(name, State.BROKEN, detail, fix)


def skipped(name: str, because: str) -> Finding:
    """Another finding stands in the way."""
    return Finding(name, State.SKIPPED, because)
