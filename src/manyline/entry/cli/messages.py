"""`manyline messages`: list, show, send; and those of `dead_letters`."""

from typing import Annotated

import typer

from manyline.entry.cli import dead_letters
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
from manyline.entry.cli.show import one_line, say, show_facts, show_json, show_more, show_table

app = typer.Typer(help="What a tenant and its customers said.", no_args_is_help=True)


@app.command("list")
def list_messages(
    tenant_id: TenantArgument,
    *,
    conversation: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this conversation's.")
    ] = None,
    limit: Limit = 20,
    cursor: CursorOption = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """A tenant's messages, both ways, newest first."""
    within = ("conversations", conversation) if conversation else ()
    with errors_in_one_line():
        where = path("tenants", tenant_id, *within, "messages")
        page = client(url).get(where, limit=limit, cursor=cursor)
    if as_json:
        show_json(page)
        return
    if not page["items"]:
        say("There is no message yet.")
        return
    rows = [
        {**item, "with": item["from"] if item["direction"] == "IN" else item["to"]}
        for item in page["items"]
    ]
    show_table(
        {
            "message": "messageId",
            "at": "createdAt",
            "way": "direction",
            "with": "with",
            "status": "status",
            "text": "body",
        },
        rows,
    )
    show_more(page)


@app.command()
def show(
    tenant_id: TenantArgument,
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE_ID", show_default=False)],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """One message, where it stands, and all that happened to it."""
    with errors_in_one_line():
        message = client(url).get(path("tenants", tenant_id, "messages", message_id))
    if as_json:
        show_json(message)
        return
    timeline = message.pop("timeline", [])
    show_facts(message)
    say("")
    for entry in timeline:
        # Not in a table: that cuts a text that is wider than the terminal.
        say(f"{one_line(entry['at'])}  {one_line(entry['text'])}")


@app.command()
def send(
    tenant_id: TenantArgument,
    *,
    to: Annotated[str, typer.Option(help="In international form: +919012345678.")],
    text: Annotated[str, typer.Option(help="Up to 4,096 characters.")],
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key again sends nothing again.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Queue a text message."""
    given = {"to": to, "text": text}
    if idempotency_key is not None:
        given["idempotency_key"] = idempotency_key
    with errors_in_one_line():
        answer = client(url).post(path("tenants", tenant_id, "send"), given)
    if as_json:
        show_json(answer)
        return
    say(f"Queued as {answer['messageId']} (idempotency key {answer['idempotency_key']}).")
    say(f"Where it stands: manyline messages show {tenant_id} {answer['messageId']}")


dead_letters.add_to(app)
