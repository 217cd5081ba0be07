"""`manyline`: one command for each process, and `up` for all of them at once.

Commands parse, call one function and turn an expected error into one line and an exit code.
What a command needs is imported by that command: `manyline --help` starts no web framework.
"""

import asyncio
import os
import sys
from typing import Annotated

import typer

from manyline.base.errors import SettingsError
from manyline.entry.cli import messages, quarantine, tenants, webhooks
from manyline.entry.cli.errors import FAILED, POINTLESS, errors_in_one_line
from manyline.entry.cli.options import AsJson, Url
from manyline.settings import Settings, load_settings

app = typer.Typer(
    help="Many businesses, each with its own WhatsApp line, one backend.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(tenants.app, name="tenants")
app.add_typer(messages.app, name="messages")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(quarantine.app, name="quarantine")

Reload = Annotated[
    bool, typer.Option("--reload", help="Start anew when a Python file of ours changes.")
]


@app.command()
def up(
    simulator: Annotated[
        bool, typer.Option("--simulator", help="Also start a stand-in for Meta, and talk to that.")
    ] = False,
    reload: Annotated[
        bool, typer.Option("--reload", help="api and worker start anew when our source changes.")
    ] = False,
) -> None:
    """Start everything: api, worker, and MongoDB and Valkey where none are named by settings."""
    from manyline.entry.cli.up import Up  # noqa: PLC0415

    with errors_in_one_line():
        asyncio.run(Up(load_settings(), with_simulator=simulator, reload=reload).run())


@app.command()
def api(reload: Reload = False) -> None:
    """Serve HTTP: tenants, sends, the Meta webhook, reads."""
    if reload:
        _run_reloading("api")
    from manyline.entry.api.server import serve  # noqa: PLC0415

    with errors_in_one_line():
        serve(load_settings())


@app.command()
def worker(reload: Reload = False) -> None:
    """Send what is queued, and run the background loops."""
    if reload:
        _run_reloading("worker")
    from manyline.entry.worker.process import run  # noqa: PLC0415

    with errors_in_one_line():
        run(load_settings())


@app.command()
def doctor(url: Url = None, as_json: AsJson = False) -> None:
    """Look for what usually goes wrong, and say how to mend it; exit 1 if something is broken."""
    from manyline.entry.cli.doctor.examine import examine  # noqa: PLC0415
    from manyline.entry.cli.doctor.report import show_findings  # noqa: PLC0415

    with errors_in_one_line():
        findings = asyncio.run(examine(load_settings(), url=url))
    if not show_findings(findings, as_json=as_json):
        raise typer.Exit(FAILED)


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

    with errors_in_one_line():
        environment = _simulator_environment(load_settings(), context.args)
    program = simulator_program()
    os.execve(program, [program, *context.args], environment)  # noqa: S606


def _simulator_environment(settings: Settings, options: list[str]) -> dict[str, str]:
    """What the environment and `.env` say about our webhook, in the simulator's own names.

    Raises `SettingsError` when nobody says where webhooks go.
    """
    known = {}
    # Where the API is must be known only if nobody has said where webhooks go.
    answered = any(one == "--help" or one.startswith("--webhook-url") for one in options)
    if not answered and "GRAPHSIM_WEBHOOK_URL" not in os.environ:
        known["GRAPHSIM_WEBHOOK_URL"] = f"{_api_for_webhooks(settings)}/whatsapp/webhook"
    if settings.app_secret:
        # The one that our calls to Graph are proven with; the plain name may hold two.
        known["GRAPHSIM_APP_SECRET"] = settings.app_secret[0].get_secret_value()
    if settings.verify_token:
        known["VERIFY_TOKEN"] = settings.verify_token.get_secret_value()
    return known | os.environ


def _api_for_webhooks(settings: Settings) -> str:
    from manyline.entry.cli.address import api_url  # noqa: PLC0415

    try:
        return api_url(settings)
    except SettingsError:
        raise SettingsError(
            "PORT is 0 and no `manyline up` has chosen one yet; say where webhooks go with"
            " --webhook-url http://127.0.0.1:<port>/whatsapp/webhook"
        ) from None


def _run_reloading(role: str) -> None:
    from manyline.entry.cli.reload import Reloader  # noqa: PLC0415
    from manyline.entry.cli.sources import source_root  # noqa: PLC0415

    async def run() -> int:
        argv = (sys.executable, "-m", "manyline.entry.cli.standby", role)
        root = source_root()
        return await Reloader(role, argv, root=root, pointless=POINTLESS, say=typer.echo).run()

    raise typer.Exit(asyncio.run(run()))
