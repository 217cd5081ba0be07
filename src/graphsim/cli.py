"""The console script `graphsim`: one process, one simulator, until a signal ends it."""

import asyncio
import logging
import signal
import sys
from typing import Annotated, Any, NoReturn

import msgspec
import typer
import uvloop
from typer.core import TyperCommand

from graphsim.settings import Settings
from graphsim.simulator import Simulator, run


class _OneLineErrors(TyperCommand):
    """A bad option is one line on standard error, not a page of usage."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Never returns: outside standalone mode errors come as exceptions, exits as codes."""
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except typer.TyperException as error:
            _fail(error.format_message(), code=error.exit_code)
        sys.exit(code if isinstance(code, int) else 0)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(cls=_OneLineErrors)
def graphsim(
    *,
    host: Annotated[str, typer.Option(envvar="GRAPHSIM_HOST")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="GRAPHSIM_PORT", min=0, max=65535, help="0: any free port.")
    ] = 4000,
    webhook_url: Annotated[
        str, typer.Option(envvar="GRAPHSIM_WEBHOOK_URL", help="Where webhooks go.")
    ] = "http://127.0.0.1:3000/whatsapp/webhook",
    app_secret: Annotated[
        str | None,
        typer.Option(
            envvar=["GRAPHSIM_APP_SECRET", "APP_SECRET"],
            help="Signs webhooks; without it they are unsigned.",
        ),
    ] = None,
    verify_token: Annotated[
        str | None,
        typer.Option(
            envvar=["GRAPHSIM_VERIFY_TOKEN", "VERIFY_TOKEN"], help="For the webhook handshake."
        ),
    ] = None,
    status_delay: Annotated[
        float, typer.Option(envvar="GRAPHSIM_STATUS_DELAY", help="Seconds between statuses.")
    ] = 0.05,
    no_statuses: Annotated[
        bool, typer.Option("--no-statuses", envvar="GRAPHSIM_NO_STATUSES", help="Send none.")
    ] = False,
    require_token: Annotated[
        str | None,
        typer.Option(
            envvar="GRAPHSIM_REQUIRE_TOKEN",
            metavar="PREFIX",
            help="Refuse bearer tokens that do not begin so.",
        ),
    ] = None,
) -> None:
    """A stand-in for Meta: Graph API in, signed webhooks out, faults on request."""
    settings = Settings()
    knobs = {
        "webhook_url": webhook_url,
        "app_secret": app_secret or None,
        "verify_token": verify_token or None,
        "status_delay": status_delay,
        "token_prefix": require_token or None,
    }
    try:
        settings.change(knobs | ({"statuses": []} if no_statuses else {}))
    except msgspec.ValidationError as error:
        raise typer.BadParameter(f"{error}; see --help") from None
    logging.basicConfig(level=logging.INFO, format="graphsim: %(message)s", stream=sys.stderr)
    try:
        uvloop.run(_until_signalled(Simulator(settings, host=host, port=port)))
    except OSError as error:
        reason = error.strerror or str(error)
        _fail(f"cannot listen on {host}:{port} ({reason}); choose another --port", code=1)


async def _until_signalled(simulator: Simulator) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, ended.set)
    await run(simulator, until=ended)


def _fail(sentence: str, *, code: int) -> NoReturn:
    sys.stderr.write(f"graphsim: {sentence}\n")
    sys.exit(code)
