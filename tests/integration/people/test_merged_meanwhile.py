"""Whoever is brought to somebody who is merged meanwhile comes along."""

import asyncio
from typing import Any

import pytest
from bson import ObjectId

from manyline.messages import merging


async def chain(processes: Any, monkeypatch: Any, meanwhile: Any) -> Any:
    """C becomes B's; before what was said to C has come to B, B becomes A's."""
    slow, quick = processes(2)
    for name in ("A", "B", "C"):
        await quick.hear(f"bsuid:IN.{name}", text=name)
    ids = {name: await quick.customer(f"bsuid:IN.{name}") for name in ("A", "B", "C")}
    begun, go_on = asyncio.Event(), asyncio.Event()
    move_settled = slow.merges._move_settled

    async def move_late(*who: ObjectId) -> int:
        begun.set()
        await go_on.wait()
        moved: int = await move_settled(*who)
        return moved

    monkeypatch.setattr(slow.merges, "_move_settled", move_late)
    late = asyncio.create_task(slow.hear("bsuid:IN.B", "bsuid:IN.C", text="B is C"))
    await begun.wait()
    await quick.hear("bsuid:IN.A", "bsuid:IN.B", text="A is B")
    await meanwhile(slow, ids)
    go_on.set()
    await late
    return quick, ids


async def test_what_was_said_to_one_who_is_gone_follows(
    processes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing_else(_slow: Any, _ids: Any) -> None:
        pass

    quick, _ = await chain(processes, monkeypatch, nothing_else)
    said = await quick.said(await quick.customer("bsuid:IN.C"))
    assert sorted(said) == ["A", "A is B", "B", "B is C", "C"]


async def test_what_was_told_of_one_who_is_gone_follows_too(
    processes: Any, monkeypatch: pytest.MonkeyPatch, database: Any
) -> None:
    """News came to B's signpost after its own merge had looked, and no message with it."""

    async def news(slow: Any, ids: Any) -> None:
        await database.customers.update_one(
            {"_id": ids["B"]}, {"$set": {"name": {"at": slow.clock.now(), "is": "Bea"}}}
        )

    _, ids = await chain(processes, monkeypatch, news)
    gone = await database.customers.find_one({"_id": ids["B"]})
    assert "name" not in gone


async def test_a_sweep_brings_all_of_it_on(
    processes: Any, monkeypatch: pytest.MonkeyPatch, database: Any
) -> None:
    """However much: nobody waits for a sweep."""
    monkeypatch.setattr(merging, "BATCH", 1)
    monkeypatch.setattr(merging, "MOVED_AT_ONCE", 1)
    one, other = processes(2)
    for name in ("A", "B", "C"):
        for n in range(3):
            await one.hear(f"bsuid:IN.{name}", text=f"{name}{n}")
    ids = {name: await one.customer(f"bsuid:IN.{name}") for name in ("A", "B", "C")}
    await one.hear("bsuid:IN.B", "bsuid:IN.C", text="B is C")
    followed = one.merges._people.followed

    async def follow_later(tenant_id: ObjectId, who: ObjectId) -> ObjectId:
        """The sweep takes C to B, and only after it has moved all is B somebody else."""
        if who == ids["C"]:
            return ids["B"]
        if who == ids["B"] and await one.customer("bsuid:IN.B") == ids["B"]:
            await other.hear("bsuid:IN.A", "bsuid:IN.B", text="A is B")
        now_is: ObjectId = await followed(tenant_id, who)
        return now_is

    monkeypatch.setattr(one.merges._people, "followed", follow_later)
    one.clock.advance(seconds=11)
    await one.merges.sweep()
    left = await database.messages.count_documents(
        {"tenantId": one.tenant_id, "conversationId": {"$in": [ids["B"], ids["C"]]}}
    )
    assert left == 0
