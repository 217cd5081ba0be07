"""The 24-hour window at the door: what is known to be too late is refused, the rest is Meta's."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

CUSTOMER = "+919111111111"
HOUR = 3600


@pytest.fixture
def wrote(backend: Any, webhook_of: Any, text_message: Any) -> Any:
    """Has the customer write so many hours ago, as Meta's clock says."""

    async def write(hours_ago: float) -> None:
        sent_at = str(int(time.time() - hours_ago * HOUR))
        answer = await backend.webhook(webhook_of(messages=[text_message(timestamp=sent_at)]))
        assert answer.status == 200

    return write


async def quiet_tenant(backend: Any, **changes: Any) -> str:
    """A tenant that answers nothing by itself."""
    settings = {"autoReply": {"enabled": False}, **changes}
    return str(await backend.register(settings=settings))


async def test_a_text_is_refused_a_day_after_the_customer_wrote(backend: Any, wrote: Any) -> None:
    tenant_id = await quiet_tenant(backend)
    await wrote(24.5)
    before = await backend.messages(tenant_id)
    refused = await backend.send(tenant_id, to=CUSTOMER)
    assert (refused.status, refused.code) == (422, "window_closed")
    assert refused.body["graphCode"] == 131047
    assert [error["field"] for error in refused.body["errors"]] == ["text"]
    closed = datetime.now(UTC) - timedelta(hours=0.5)
    minutes = {f"{closed + timedelta(minutes=n):%Y-%m-%d %H:%M}" for n in (-1, 0, 1)}
    assert any(each in refused.body["detail"] for each in minutes), refused.body["detail"]
    for words in ("131047", "template", "checkWindow"):
        assert words in refused.body["detail"]
    assert await backend.messages(tenant_id) == before
    # One word of the customer's opens it again.
    await wrote(0)
    assert (await backend.send(tenant_id, to=CUSTOMER)).status == 200


async def test_within_the_day_and_to_who_never_wrote_it_is_accepted(
    backend: Any, wrote: Any
) -> None:
    tenant_id = await quiet_tenant(backend)
    await wrote(23.5)
    assert (await backend.send(tenant_id, to=CUSTOMER)).status == 200
    for _ in range(2):
        assert (await backend.send(tenant_id, to="+919012345678")).status == 200


async def test_a_tenant_can_turn_the_check_off(backend: Any, wrote: Any) -> None:
    tenant_id = await quiet_tenant(backend)
    await wrote(30)
    assert (await backend.send(tenant_id, to=CUSTOMER)).status == 422
    await backend.patch(tenant_id, settings={"checkWindow": False})
    assert (await backend.send(tenant_id, to=CUSTOMER)).status == 200
    await backend.patch(tenant_id, settings={"checkWindow": None})
    assert (await backend.send(tenant_id, to=CUSTOMER)).status == 422


async def test_the_window_of_another_tenant_is_its_own(
    backend: Any, webhook_of: Any, text_message: Any, wrote: Any
) -> None:
    tenant_id = await quiet_tenant(backend)
    other = await backend.register("222222", settings={"autoReply": {"enabled": False}})
    await wrote(30)
    await backend.webhook(webhook_of("222222", messages=[text_message()]))
    assert (await backend.send(tenant_id, to=CUSTOMER)).code == "window_closed"
    assert (await backend.send(other, to=CUSTOMER)).status == 200


async def test_a_repeated_key_keeps_its_first_answer(
    backend: Any, open_backend: Any, wrote: Any, database: Any
) -> None:
    tenant_id = await quiet_tenant(backend)
    await wrote(0)
    first = await backend.send(tenant_id, to=CUSTOMER, idempotency_key="order-1")
    past = datetime.now(UTC) - timedelta(minutes=1)
    done = await database.conversations.update_one(
        {"tenantId": ObjectId(tenant_id)}, {"$set": {"windowExpiresAt": past}}
    )
    assert done.modified_count == 1
    # Another process, since windows do not end early and the first one has seen it open.
    backend = await open_backend()
    again = await backend.send(tenant_id, to=CUSTOMER, idempotency_key="order-1")
    assert (again.status, again.body) == (200, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await backend.send(tenant_id, to=CUSTOMER, idempotency_key="order-1", text="other")
    assert (other.status, other.code) == (422, "idempotency_conflict")
    new = await backend.send(tenant_id, to=CUSTOMER, idempotency_key="order-2")
    assert (new.status, new.code) == (422, "window_closed")


async def test_the_windows_of_a_flush_are_looked_up_by_their_ids(
    backend: Any, wrote: Any, database: Any
) -> None:
    tenant_id = await quiet_tenant(backend)
    await wrote(30)
    await database.command("profile", 2)
    assert (await backend.send(tenant_id, to=CUSTOMER)).status == 422
    await database.command("profile", 0)
    asked = [
        each
        async for each in database["system.profile"].find({"command.find": "conversations"})
        if "windowExpiresAt" in each["command"]["filter"]
    ]
    assert [(each["keysExamined"], each["docsExamined"]) for each in asked] == [(1, 1)]
