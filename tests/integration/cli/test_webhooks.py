"""`manyline webhooks replay` and `manyline quarantine`."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.cli.conftest import Run
from tests.integration.conftest import eventually

SINCE = ("--since", "2020-01-01T00:00:00Z")


@pytest.fixture
def here(backend: Any) -> dict[str, str]:
    return {"MANYLINE_URL": backend.url}


async def until_kept(database: Any, records: int) -> None:
    """Each webhook in a write of its own, and so a page of its own."""

    async def kept() -> bool:
        return await database.webhook_ledger.count_documents({}) == records

    await eventually(kept)


async def test_replay_goes_through_all_pages_and_tells_what_became_of_it(
    *,
    run: Run,
    backend: Any,
    webhook_of: Any,
    text_message: Any,
    database: Any,
    here: Any,
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr("manyline.inbound.ledger.replaying.PAGE_SECONDS", 0.0)
    tenant = await backend.register()
    for n in range(5):
        await backend.webhook(webhook_of(messages=[text_message(sender=f"91900000000{n}")]))
        await until_kept(database, n + 1)
    await database.messages.delete_many({"from": "+919000000003"})
    dry = await run("webhooks", "replay", *SINCE, "--dry-run", **here)
    assert dry.out == "There are 5 webhooks with 5 items.\nWhen they came: 5 stored.\n"
    assert len(await backend.messages(tenant)) == 9
    done = await run("webhooks", "replay", *SINCE, "--tenant", tenant, **here)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "Applied 5 webhooks with 5 items.",
        "When they came: 5 stored.",
        "Now: 4 duplicate, 1 stored.",
    ]
    again = await run("webhooks", "replay", *SINCE, "--json", **here)
    assert again.json["became"] == {"duplicate": 5}
    future = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    nothing = await run("webhooks", "replay", "--since", future, **here)
    assert nothing.out.splitlines()[0] == "Applied 0 webhooks with 0 items."
    wrong = await run("webhooks", "replay", "--since", "yesterday", **here)
    assert wrong.code == 1
    assert wrong.err.startswith("manyline: since: ")


async def test_a_replay_that_breaks_off_says_how_to_go_on(
    *,
    run: Run,
    backend: Any,
    webhook_of: Any,
    text_message: Any,
    database: Any,
    here: Any,
    monkeypatch: Any,
) -> None:
    from manyline.base.errors import StoreUnavailableError
    from manyline.inbound.ledger.replaying import Replayer

    monkeypatch.setattr("manyline.inbound.ledger.replaying.PAGE_SECONDS", 0.0)
    await backend.register()
    for n in range(3):
        await backend.webhook(webhook_of(messages=[text_message()]))
        await until_kept(database, n + 1)
    plain = Replayer.replay
    calls = 0

    async def breaks(self: Replayer, *given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise StoreUnavailableError("away")
        return await plain(self, *given, **more)

    monkeypatch.setattr(Replayer, "replay", breaks)
    broken = await run("webhooks", "replay", *SINCE, **here)
    assert broken.code == 1
    assert "away" in broken.err
    assert broken.out.startswith("Broke off; go on with --until ")
    words = broken.out.split()[5:]
    rest = await run("webhooks", "replay", *SINCE, *words, **here)
    assert rest.out.startswith("Applied 1 webhooks with 1 items.")


async def test_the_quarantine_is_listed_shown_tried_again_and_dropped(
    *,
    run: Run,
    backend: Any,
    webhook_of: Any,
    text_message: Any,
    here: Any,
    monkeypatch: Any,
) -> None:
    tenant = await backend.register()
    assert (await run("quarantine", "list", **here)).out == "There is none.\n"
    with monkeypatch.context() as patch:
        patch.setattr("manyline.infra.documents.MAX_DEPTH", -1)
        await backend.webhook(webhook_of(messages=[text_message("set \x1b[31m aside")]))
    await backend.webhook(webhook_of(messages=[{"type": "text"}]))
    listed = await run("quarantine", "list", "--tenant", tenant, **here)
    heading, odd, deep, _how = listed.out.splitlines()
    assert heading.split() == ["item", "since", "tenant", "part", "bytes", "why"]
    assert odd.endswith("a message without an id")
    shown = await run("quarantine", "show", deep.split()[0], **here)
    assert "set" in shown.out
    assert "\x1b" not in shown.out
    tried = await run("quarantine", "retry", "--all", **here)
    assert tried.code == 1
    assert tried.out.splitlines() == [
        f"{odd.split()[0]} stays: a message without an id",
        "Left the quarantine: 1 of 2.",
    ]
    assert [m["direction"] for m in await backend.messages(tenant)] == ["IN", "OUT"]
    assert (await run("quarantine", "drop", **here)).code == 1
    assert (await run("quarantine", "drop", odd.split()[0], **here)).out == "Dropped: 1.\n"
    assert (await run("quarantine", "retry", "--all", **here)).out.startswith("Left the quar")
    assert (await run("quarantine", "list", **here)).out == "There is none.\n"
    gone = await run("quarantine", "show", odd.split()[0], **here)
    assert "no item in the quarantine has this id" in gone.err
