"""`manyline messages dead-letters`, `in-doubt`, `replay`, `mark-sent`, and the timeline."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from tests.integration.cli.conftest import Run

BEGAN = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def here(backend: Any) -> dict[str, str]:
    return {"MANYLINE_URL": backend.url}


async def troubled(backend: Any, database: Any, tenant: str, status: str, **more: Any) -> str:
    message_id = str(await backend.sent(tenant))
    error = {"code": 131026, "title": "x"} if status == "failed" else {"title": "no answer"}
    fields = {"status": status, f"statusAt.{status}": BEGAN, "troubleAt": BEGAN, "error": error}
    await database.messages.update_one(
        {"_id": ObjectId(message_id)}, {"$set": {**fields, **more}, "$unset": {"dueAt": ""}}
    )
    return message_id


async def test_dead_letters_and_doubts_are_listed_with_why(
    run: Run, backend: Any, database: Any, here: Any
) -> None:
    tenant = await backend.register()
    assert (await run("messages", "dead-letters", tenant, **here)).out == "There is none.\n"
    dead = await troubled(backend, database, tenant, "failed")
    doubt = await troubled(backend, database, tenant, "in_doubt")
    listed = await run("messages", "dead-letters", tenant, "--code", "131026", **here)
    heading, line, _how = listed.out.splitlines()
    assert heading.split() == ["message", "accepted", "to", "attempts", "code", "why"]
    meaning = (await backend.message(tenant, dead))["error"]["meaning"]
    assert line.startswith(dead)
    assert line.endswith(f"131026  {meaning}")
    doubts = await run("messages", "in-doubt", tenant, "--json", **here)
    assert doubts.json == (await backend.call("GET", f"/tenants/{tenant}/in-doubt")).body
    assert [one["messageId"] for one in doubts.json["items"]] == [doubt]
    later = ("--since", "2026-11-02T00:00:00Z")
    assert (await run("messages", "in-doubt", tenant, *later, **here)).out == "There is none.\n"
    refused = await run("messages", "in-doubt", tenant, "--since", "yesterday", **here)
    assert refused.code == 1
    assert refused.err.startswith("manyline: since: ")


async def test_replay_says_what_really_happened(
    run: Run, backend: Any, database: Any, here: Any
) -> None:
    tenant = await backend.register()
    dead = await troubled(backend, database, tenant, "failed")
    doubt = await troubled(backend, database, tenant, "in_doubt")
    queued = await backend.sent(tenant)
    both = await run("messages", "replay", tenant, dead, doubt, **here)
    assert (both.code, both.out) == (0, "Queued again: 2 of 2.\n")
    some = await run("messages", "replay", tenant, queued, "0" * 24, "nonsense", **here)
    assert some.code == 1
    why_queued, why_unknown, why_nonsense = some.out.splitlines()
    assert why_queued.startswith(f"{queued}: this message cannot be replayed: it is queued")
    assert why_unknown.startswith(f"{'0' * 24}: this tenant has no message")
    assert "not an id" in why_nonsense
    for words in ((), (dead, "--dead-letters"), ("--dead-letters", "--in-doubt")):
        unclear = await run("messages", "replay", tenant, *words, **here)
        assert unclear.code == 1
        assert "say which" in unclear.err


async def test_replay_and_mark_by_filter(run: Run, backend: Any, database: Any, here: Any) -> None:
    tenant = await backend.register()
    first = await troubled(backend, database, tenant, "failed")
    await troubled(backend, database, tenant, "failed", troubleAt=BEGAN + timedelta(minutes=1))
    words = ("messages", "replay", tenant, "--dead-letters", "--code", "131026", "--limit", "1")
    one = await run(*words, **here)
    assert one.out.splitlines() == [
        "Queued again: 1 of 1.",
        "There are more; the same command again goes on.",
    ]
    assert (await backend.message(tenant, first))["status"] == "queued"
    rest = await run(*words, "--json", **here)
    assert (rest.json["replayed"], rest.json["more"]) == (1, False)
    for _ in range(2):
        await troubled(backend, database, tenant, "in_doubt")
    marked = await run("messages", "mark-sent", tenant, "--in-doubt", **here)
    assert marked.out == "Marked as sent: 2 of 2.\n"
    one_more = await troubled(backend, database, tenant, "in_doubt")
    by_id = await run("messages", "mark-sent", tenant, one_more, **here)
    assert by_id.out == "Marked as sent: 1 of 1.\n"
    assert (await run("messages", "mark-sent", tenant, **here)).code == 1


async def test_show_tells_what_happened_line_by_line(
    run: Run, backend: Any, database: Any, here: Any
) -> None:
    tenant = await backend.register()
    hostile = {"title": "no answer \x1b[2J\u202eback"}
    doubt = await troubled(backend, database, tenant, "in_doubt", error=hostile)
    told = {"event": "in_doubt", "at": BEGAN, "claimedAt": BEGAN, "attempt": 1, **hostile}
    await database.messages.update_one({"_id": ObjectId(doubt)}, {"$set": {"history": [told]}})
    shown = await run("messages", "show", tenant, doubt, **here)
    facts, _, life = shown.out.partition("\n\n")
    assert "timeline" not in facts
    texts = [line.split("  ", 1)[1] for line in life.splitlines()]
    assert "Accepted from your API call." in texts
    assert any(
        text.startswith("Nobody knows whether WhatsApp took it: no answer") for text in texts
    )
    assert "or for a person" in texts[-1]
    assert "\x1b" not in shown.out
    assert "\u202e" not in shown.out
