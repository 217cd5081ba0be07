"""`manyline tenants`: list, show, register."""

import sys
from typing import Annotated

import typer

from manyline.entry.cli.errors import errors_in_one_line
from manyline.entry.cli.options import (
    AsJson,
    CursorOption,
    Limit,
    TenantArgument,
    Url,
    client,
    path,
)
from manyline.entry.cli.show import say, show_facts, show_json, show_more, show_table

COLUMNS = {
    "tenant": "tenantId",
    "name": "name",
    "number": "phoneNumberId",
    "status": "status",
    "reason": "pausedReason",
}

app = typer.Typer(help="The businesses that this backend serves.", no_args_is_help=True)


@app.command("list")
def list_tenants(
    limit: Limit = 50, cursor: CursorOption = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Tenants, newest first."""
    with errors_in_one_line():
        page = client(url).get("/tenants", limit=limit, cursor=cursor)
    if as_json:
        show_json(page)
    elif not page["items"]:
        say("There is no tenant yet; `manyline tenants register` makes one.")
    else:
        show_table(COLUMNS, page["items"])
        show_more(page)


@app.command()
def show(tenant_id: TenantArgument, url: Url = None, as_json: AsJson = False) -> None:
    """One tenant, without its secrets."""
    with errors_in_one_line():
        tenant = client(url).get(path("tenants", tenant_id))
    (show_json if as_json else show_facts)(tenant)


@app.command()
def register(
    *,
    name: Annotated[str, typer.Option(prompt=True, help="Signs the replies: - team <name>.")],
    phone_number_id: Annotated[
        str, typer.Option(prompt=True, help="From Meta's app dashboard, digits only.")
    ],
    access_token: Annotated[
        str | None,
        typer.Option(
            envvar="MANYLINE_ACCESS_TOKEN",
            help="Better not here, where `ps` shows it: asked for, or read from a pipe.",
        ),
    ] = None,
    waba_id: Annotated[str | None, typer.Option(help="The WhatsApp business account.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Register a tenant; its number starts to be served at once.

    A token that begins with mock_ simulates every send.
    """
    given = {"name": name, "phoneNumberId": phone_number_id, "accessToken": _token(access_token)}
    if waba_id is not None:
        given["wabaId"] = waba_id
    with errors_in_one_line():
        answer = client(url).post("/tenants/register", given)
    if as_json:
        show_json(answer)
    else:
        say(f"Registered as {answer['tenantId']}.")


def _token(given: str | None) -> str:
    if given is not None:
        return given
    if sys.stdin.isatty():
        return str(typer.prompt("Access token", hide_input=True))
    return sys.stdin.readline().strip()
