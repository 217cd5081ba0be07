"""`manyline quarantine`: items of webhooks that could not be understood or stored."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manyline.base.errors import ManylineError
from manyline.entry.cli.errors import FAILED, errors_in_one_line
from manyline.entry.cli.options import AsJson, CursorOption, Limit, Url, client, path
from manyline.entry.cli.show import one_line, say, show_facts, show_json, show_more, show_table

if TYPE_CHECKING:
    from manyline.entry.cli.client import ApiClient

COLUMNS = {
    "item": "quarantineId",
    "since": "createdAt",
    "tenant": "tenantId",
    "part": "part",
    "bytes": "size",
    "why": "reason",
}
STAYS = "quarantined"

app = typer.Typer(
    help="Items of webhooks that could not be understood or stored.", no_args_is_help=True
)

ItemId = Annotated[str, typer.Argument(metavar="ITEM_ID", show_default=False)]
ItemIds = Annotated[
    list[str] | None, typer.Argument(metavar="[ITEM_ID]...", show_default=False, help="Which.")
]
Tenant = Annotated[str | None, typer.Option(metavar="TENANT_ID", help="Only this tenant's.")]
All = Annotated[bool, typer.Option("--all", help="All, or all of --tenant.")]


class WhichItemsError(ManylineError):
    """Ids or `--all`, and one of them is needed."""

    code = "which_ones"


@app.command("list")
def list_items(
    *,
    tenant: Tenant = None,
    limit: Limit = 20,
    cursor: CursorOption = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Items in the quarantine, newest first."""
    with errors_in_one_line():
        page = client(url).get("/quarantine", tenantId=tenant, limit=limit, cursor=cursor)
    if as_json:
        show_json(page)
    elif not page["items"]:
        say("There is none.")
    else:
        show_table(COLUMNS, page["items"])
        show_more(page)
        say("What came: manyline quarantine show ITEM_ID")


@app.command()
def show(item_id: ItemId, url: Url = None, as_json: AsJson = False) -> None:
    """One item: why it stands here, and what came."""
    with errors_in_one_line():
        item = client(url).get(path("quarantine", item_id))
    if as_json:
        show_json(item)
        return
    raw = item.pop("raw")
    show_facts(item)
    say("")
    say(one_line(raw))


@app.command()
def retry(
    item_ids: ItemIds = None,
    *,
    every: All = False,
    tenant: Tenant = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Read and store items again; what succeeds leaves the quarantine.

    Ends with exit code 1 when one stays.
    """
    with errors_in_one_line():
        api = client(url)
        results: list[dict[str, Any]] = [
            api.post(path("quarantine", item_id, "retry"), {})
            for item_id in _which(api, item_ids, every=every, tenant=tenant)
        ]
    staying = [one for one in results if one["outcome"] == STAYS]
    if as_json:
        show_json({"results": results})
    else:
        for one in staying:
            say(f"{one['quarantineId']} stays: {one_line(one['reason'])}")
        say(f"Left the quarantine: {len(results) - len(staying)} of {len(results)}.")
    if staying:
        raise typer.Exit(FAILED)


@app.command()
def drop(
    item_ids: ItemIds = None,
    *,
    every: All = False,
    tenant: Tenant = None,
    url: Url = None,
) -> None:
    """Forget items for good."""
    dropped = 0
    with errors_in_one_line():
        api = client(url)
        for item_id in _which(api, item_ids, every=every, tenant=tenant):
            api.expect(api.call("DELETE", path("quarantine", item_id)))
            dropped += 1
    say(f"Dropped: {dropped}.")


def _which(
    api: "ApiClient", item_ids: list[str] | None, *, every: bool, tenant: str | None
) -> Iterator[str]:
    """The ids that were given, or all there are; a page is read before its items are touched."""
    if bool(item_ids) == every or (tenant is not None and not every):
        raise WhichItemsError("say which: item ids, or --all (with --tenant or not)")
    yield from item_ids or ()
    cursor: str | None = None
    while every:
        page = api.get("/quarantine", tenantId=tenant, limit=100, cursor=cursor)
        yield from (item["quarantineId"] for item in page["items"])
        cursor = page["nextCursor"]
        if cursor is None:
            return
