"""An expected error of a command: one line, and an exit code that says whether to try again."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from manyline.base.errors import ManylineError

FAILED = 1
POINTLESS = 78
"""EX_CONFIG: `up` does not start a process again that ended so (infra/embedded/supervise.py)."""
POINTLESS_ERRORS = frozenset({"bad_setting", "address_taken"})


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """What happens inside may end the command."""
    try:
        yield
    except ManylineError as error:
        typer.echo(f"manyline: {error.detail}", err=True)
        pointless = error.code in POINTLESS_ERRORS
        raise typer.Exit(POINTLESS if pointless else FAILED) from None
