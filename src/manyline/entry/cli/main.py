"""`manyline`: one command for each process, and `up` for all of them at once.

Commands parse, call one function and turn an expected error into one line and an exit code.
What a command needs is imported by that command: `manyline --help` starts no web framework.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from manyline.base.errors import ManylineError
from manyline.settings import Settings, load_settings

FAILED = 1
POINTLESS = 78
"""EX_CONFIG: `up` does not start a process again that ended so (infra/embedded/supervise.py)."""
POINTLESS_ERRORS = frozenset({"bad_setting", "address_taken"})

app = typer.Typer(
    help="Many businesses, each with its own WhatsApp line, one backend.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def up(
    simulator: Annotated[
        bool, typer.Option("--simulator", help="Also start a stand-in for Meta, and talk to that.")
    ] = False,
) -> None:
    """Start everything: api, worker, and MongoDB and Valkey where none are named by settings."""
    from manyline.entry.cli.up import Up  # noqa: PLC0415

    with _errors_in_one_line():
        asyncio.run(Up(load_settings(), with_simulator=simulator).run())


@app.command()
def api() -> None:
    """Serve HTTP: tenants, sends, the Meta webhook, reads."""
    from manyline.entry.api.server import serve  # noqa: PLC0415

    with _errors_in_one_line():
        serve(load_settings())


@app.command()
def worker() -> None:
    """Send what is queued, and run the background loops."""
    from manyline.entry.worker.process import run  # noqa: PLC0415

    with _errors_in_one_line():
        run(load_settings())


@app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    }
)
def simulator(context: typer.Context) -> None:
    """Run the stand-in for Meta; options are those of `graphsim`."""
    from manyline.entry.cli.plan import simulator_program  # noqa: PLC0415

    with _errors_in_one_line():
        settings = load_settings()
    program = simulator_program()
    os.execve(program, [program, *context.args], _simulator_environment(settings))  # noqa: S606


def _simulator_environment(settings: Settings) -> dict[str, str]:
    """What the environment and `.env` say about our webhook, in the simulator's own names."""
    known = {"GRAPHSIM_WEBHOOK_URL": f"http://127.0.0.1:{settings.port}/whatsapp/webhook"}
    if settings.app_secret:
        known["APP_SECRET"] = settings.app_secret.get_secret_value()
    if settings.verify_token:
        known["VERIFY_TOKEN"] = settings.verify_token.get_secret_value()
    return known | os.environ


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    try:
        yield
    except ManylineError as error:
        typer.echo(f"manyline: {error.detail}", err=True)
        pointless = error.code in POINTLESS_ERRORS
        raise typer.Exit(POINTLESS if pointless else FAILED) from None
