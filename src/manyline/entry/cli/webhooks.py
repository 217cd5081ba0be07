"""`manyline webhooks`: what came from Meta, applied again.

Through the API and not beside it: the replay then stands in the same line as what comes, so it
cannot overtake or swamp that; and it needs the operator's key, not the passwords of the stores.
"""

from collections import Counter
from typing import Annotated, Any

import typer

from manyline.base.errors import ManylineError
from manyline.entry.cli.errors import errors_in_one_line
from manyline.entry.cli.options import AsJson, Url, client
from manyline.entry.cli.show import say, show_json

PATIENCE_SECONDS = 120.0
"""A page takes some two seconds; one webhook of 20,000 past messages is a page as well."""

app = typer.Typer(help="What came from Meta.", no_args_is_help=True)


@app.callback()
def webhooks() -> None:
    """What came from Meta."""


@app.command()
def replay(
    *,
    since: Annotated[str, typer.Option(metavar="TIME", help="From then on: 2026-11-20T12:00:00Z.")],
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Before then; without it, up to now.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(metavar="TENANT_ID", help="Only what is this tenant's.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; tell what there is.")
    ] = False,
    cursor: Annotated[
        str | None, typer.Option(help="Go on where an earlier replay broke off.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Apply the webhooks of some time again, as they were kept.

    Harmless, however often: nothing is stored twice, nothing is answered twice, no status goes
    back. What was not stored when it came is stored now.
    """
    given = {"since": since, "until": until, "tenantId": tenant, "dryRun": dry_run}
    total = Counter[str]()
    came, became = Counter[str](), Counter[str]()
    with errors_in_one_line():
        api = client(url, seconds=PATIENCE_SECONDS)
        while True:
            try:
                page = api.post("/webhooks/replay", _body(given, cursor))
            except ManylineError:
                if cursor is not None:
                    say(f"Broke off; go on with --until {given['until']} --cursor {cursor}")
                raise
            total.update({name: page[name] for name in ("webhooks", "items", "unreadable")})
            came.update(page["came"])
            became.update(page["became"])
            cursor, given["until"] = page["nextCursor"], page["until"]
            if cursor is None:
                break
    if as_json:
        show_json({**total, "came": came, "became": became, "until": given["until"]})
    else:
        _tell(total, came, became, dry_run=dry_run)


def _body(given: dict[str, Any], cursor: str | None) -> dict[str, Any]:
    body = {name: value for name, value in given.items() if value is not None}
    return body | ({"cursor": cursor} if cursor is not None else {})


def _tell(total: Counter[str], came: Counter[str], became: Counter[str], *, dry_run: bool) -> None:
    what = f"{total['webhooks']} webhooks with {total['items']} items"
    say(f"{'There are' if dry_run else 'Applied'} {what}.")
    say(f"When they came: {_counts(came)}.")
    if not dry_run:
        say(f"Now: {_counts(became)}.")
    if total["unreadable"]:
        say(f"{total['unreadable']} webhooks make no sense to this version, and were left out.")


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"
