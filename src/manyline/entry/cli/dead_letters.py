"""`manyline messages dead-letters`, `in-doubt`, `replay` and `mark-sent`: what needs a person."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from manyline.base.errors import ManylineError
from manyline.entry.cli.errors import FAILED, errors_in_one_line
from manyline.entry.cli.options import (
    AsJson,
    CursorOption,
    Limit,
    TenantArgument,
    Url,
    client,
    path,
)
from manyline.entry.cli.show import one_line, say, show_json, show_more, show_table

DONE = frozenset({"queued", "marked_sent"})
COLUMNS = {
    "message": "messageId",
    "accepted": "createdAt",
    "to": "to",
    "attempts": "attempts",
    "code": "error.code",
    "why": "why",
}

Code = Annotated[int | None, typer.Option(help="Only those with this error code of Graph's.")]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only trouble from then on: 2026-11-20T12:00:00Z."),
]
Until = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only trouble from before: 2026-11-21T00:00:00Z.")
]
MessageIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MESSAGE_ID]...", show_default=False, help="Which, by their ids."),
]
AtMost = Annotated[
    int, typer.Option("--limit", min=1, max=1000, help="How many at the most, the oldest first.")
]
Doubts = Annotated[bool, typer.Option("--in-doubt", help="All in doubt, or those filtered.")]


class WhichOnesError(ManylineError):
    """Ids and filters are two ways to say it, and one of them is needed."""

    code = "which_ones"


def add_to(app: typer.Typer) -> None:
    """Make these commands of `manyline messages`."""
    app.command("dead-letters")(dead_letters)
    app.command("in-doubt")(in_doubt)
    app.command("replay")(replay)
    app.command("mark-sent")(mark_sent)


def dead_letters(
    tenant_id: TenantArgument,
    *,
    code: Code = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 20,
    cursor: CursorOption = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Messages that failed for good, the newest failure first."""
    query = {"code": code, "since": since, "until": until, "limit": limit, "cursor": cursor}
    _list(tenant_id, "dead-letters", query, url=url, as_json=as_json)


def in_doubt(
    tenant_id: TenantArgument,
    *,
    since: Since = None,
    until: Until = None,
    limit: Limit = 20,
    cursor: CursorOption = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Messages of which nobody knows whether WhatsApp took them, the newest doubt first."""
    query = {"since": since, "until": until, "limit": limit, "cursor": cursor}
    _list(tenant_id, "in-doubt", query, url=url, as_json=as_json)


def replay(
    tenant_id: TenantArgument,
    message_ids: MessageIds = None,
    *,
    failed: Annotated[
        bool, typer.Option("--dead-letters", help="All dead letters, or those filtered.")
    ] = False,
    doubts: Doubts = False,
    code: Code = None,
    since: Since = None,
    until: Until = None,
    limit: AtMost = 1000,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Send failed or doubtful messages again: some by their ids, or all that a filter finds.

    A message in doubt may have arrived already; replayed, it may arrive twice. Ends with exit code
    1 when one could not be replayed.
    """
    with errors_in_one_line():
        if [bool(message_ids), failed, doubts].count(True) != 1:
            raise WhichOnesError(
                "say which: message ids, or --dead-letters, or --in-doubt (with a filter or not)"
            )
        where = "dead-letters" if failed else "in-doubt"
        if message_ids:
            answer = _one_by_one(tenant_id, message_ids, "replay", url=url)
        else:
            given = _filter(code=code, since=since, until=until)
            answer = client(url).post(
                path("tenants", tenant_id, where, "replay"), {"filter": given, "limit": limit}
            )
    _show_results(answer, as_json=as_json)


def mark_sent(
    tenant_id: TenantArgument,
    message_ids: MessageIds = None,
    *,
    doubts: Doubts = False,
    since: Since = None,
    until: Until = None,
    limit: AtMost = 1000,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Say that doubtful messages arrived; nothing is sent."""
    with errors_in_one_line():
        if bool(message_ids) == doubts:
            raise WhichOnesError("say which: message ids, or --in-doubt (with a filter or not)")
        if message_ids:
            answer = _one_by_one(tenant_id, message_ids, "mark-sent", url=url)
        else:
            answer = client(url).post(
                path("tenants", tenant_id, "in-doubt", "mark-sent"),
                {"filter": _filter(since=since, until=until), "limit": limit},
            )
    _show_results(answer, as_json=as_json)


def _list(
    tenant_id: str, where: str, query: dict[str, Any], *, url: str | None, as_json: bool
) -> None:
    with errors_in_one_line():
        page = client(url).get(path("tenants", tenant_id, where), **query)
    if as_json:
        show_json(page)
    elif not page["items"]:
        say("There is none.")
    else:
        show_table(COLUMNS, [{**item, "why": _why(item["error"])} for item in page["items"]])
        show_more(page)
        say(f"What happened to one: manyline messages show {tenant_id} MESSAGE_ID")


def _why(error: dict[str, Any] | None) -> str:
    found = error or {}
    return str(found.get("meaning") or found.get("title") or "")


def _filter(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _one_by_one(
    tenant_id: str, message_ids: Sequence[str], what: str, *, url: str | None
) -> dict[str, Any]:
    """By the routes of single messages, which do not ask which list a message is on."""
    # Here, since `up` loads this module too.
    from manyline.entry.cli.client import NoAnswerError  # noqa: PLC0415

    api = client(url)
    results: list[dict[str, Any]] = []
    for message_id in message_ids:
        where = path("tenants", tenant_id, "messages", message_id, what)
        try:
            answer = api.call("POST", where)
        except NoAnswerError as error:
            if not results:
                raise
            # What was done so far is to be told all the same.
            results.append({"messageId": message_id, "outcome": error.code, "detail": error.detail})
            break
        if answer.status in {200, 401} or not isinstance(answer.body, dict):
            status = api.expect(answer)["status"]
            outcome = "queued" if what == "replay" else "marked_sent"
            results.append({"messageId": message_id, "outcome": outcome, "status": status})
        else:
            results.append(_problem(message_id, answer.body))
    return {"results": results, "more": False}


def _problem(message_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """A refusal as the routes of many tell it."""
    return {
        "messageId": message_id,
        "outcome": body.get("code"),
        "status": body.get("messageStatus"),
        "detail": body.get("detail"),
    }


def _show_results(answer: dict[str, Any], *, as_json: bool) -> None:
    results = answer["results"]
    done = [one for one in results if one["outcome"] in DONE]
    if as_json:
        show_json(answer)
    else:
        for one in results:
            if one not in done:
                say(one_line(f"{one['messageId']}: {one.get('detail') or one['outcome']}"))
        for outcome, words in (("queued", "Queued again"), ("marked_sent", "Marked as sent")):
            if count := sum(one["outcome"] == outcome for one in done):
                say(f"{words}: {count} of {len(results)}.")
        if not results:
            say("There is none.")
        if answer["more"]:
            say("There are more; the same command again goes on.")
    if len(done) < len(results):
        raise typer.Exit(FAILED)
