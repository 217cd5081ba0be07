"""Tenants over HTTP: one number one tenant, changes that hold everywhere, secrets that stay in."""

import asyncio
import json
from typing import Any

import pytest
from bson import json_util

TOKEN, SECRET = "EAAG-a-very-secret-token", "a-very-secret-app-secret"


async def test_a_taken_number_is_a_conflict_also_in_a_race(open_backend: Any) -> None:
    one, two = await open_backend(), await open_backend()
    given = {"name": "A", "phoneNumberId": "111111", "accessToken": "mock_x"}
    answers = await asyncio.gather(
        *((one, two)[n % 2].call("POST", "/tenants/register", json=given) for n in range(20))
    )
    assert sorted(answer.status for answer in answers) == [201] + [409] * 19
    refused = next(answer for answer in answers if answer.status == 409)
    assert refused.code == "phone_number_taken"
    assert len((await one.call("GET", "/tenants")).body["items"]) == 1


async def test_secrets_go_in_and_never_come_out(
    backend: Any, simulator: Any, database: Any
) -> None:
    simulator.settings.app_secret = None  # Graph does not look at proofs.
    tenant_id = await backend.register(accessToken=TOKEN, appSecret=SECRET)
    answers = [
        await backend.call("GET", f"/tenants/{tenant_id}"),
        await backend.call("GET", "/tenants"),
        await backend.patch(tenant_id, name="B"),
        await backend.patch(tenant_id, accessToken=TOKEN + "2", appSecret=SECRET + "2"),
    ]
    assert all(answer.status == 200 for answer in answers)
    told = json.dumps([answer.body for answer in answers])
    stored = ""
    for name in await database.list_collection_names():
        stored += json_util.dumps([each async for each in database[name].find()])
    raw = [each async for each in database.tenants.find()]
    assert len(raw) == 1
    for secret in (TOKEN, SECRET):
        assert secret not in told
        assert secret not in stored
        for sealed in (raw[0]["accessTokenEnc"]["data"], raw[0]["appSecretEnc"]["data"]):
            assert secret.encode() not in bytes(sealed)
    assert answers[0].body["hasAppSecret"] is True
    assert "accessToken" not in told


async def test_a_patch_changes_what_it_names(open_backend: Any) -> None:
    backend = await open_backend()
    tenant_id = await backend.register(appSecret=SECRET, wabaId="102290129340398")
    changed = await backend.patch(
        tenant_id, name="B", settings={"limits": {"messagesPerSecond": 20}}, wabaId=None
    )
    assert changed.status == 200
    assert (changed.body["name"], changed.body["wabaId"]) == ("B", None)
    assert changed.body["settings"] == {
        "autoReply": {"enabled": True, "text": "thanks for reaching us\n- team <tenant.name>"},
        "limits": {"messagesPerSecond": 20},
        "inDoubtPolicy": "hold",
        "checkWindow": True,
    }
    assert changed.body["hasAppSecret"] is True
    assert (await backend.call("GET", f"/tenants/{tenant_id}")).body == changed.body
    assert (await backend.patch(tenant_id, appSecret=None)).body["hasAppSecret"] is False
    back = await backend.patch(tenant_id, settings={"limits": None})
    assert back.body["settings"]["limits"] == {"messagesPerSecond": 80}


async def test_settings_that_are_taken_away_are_the_defaults_again(open_backend: Any) -> None:
    backend = await open_backend()
    tenant_id = await backend.register()
    before = (await backend.call("GET", f"/tenants/{tenant_id}")).body["settings"]
    chosen = {
        "autoReply": {"enabled": False, "text": "later"},
        "limits": {"messagesPerSecond": 5},
        "inDoubtPolicy": "resend",
        "checkWindow": False,
    }
    assert (await backend.patch(tenant_id, settings=chosen)).body["settings"] == chosen
    one = await backend.patch(tenant_id, settings={"inDoubtPolicy": None})
    assert one.body["settings"] == {**chosen, "inDoubtPolicy": "hold"}
    every = await backend.patch(tenant_id, settings=None)
    assert (every.status, every.body["settings"]) == (200, before)


async def test_a_paused_tenant_says_why_and_an_active_one_does_not(open_backend: Any) -> None:
    backend = await open_backend()
    tenant_id = await backend.register()
    assert (await backend.patch(tenant_id, status="paused")).body["pausedReason"]
    assert (await backend.patch(tenant_id, status="active")).body["pausedReason"] is None


async def test_a_bad_patch_changes_nothing(open_backend: Any) -> None:
    backend = await open_backend()
    tenant_id = await backend.register()
    before = (await backend.call("GET", f"/tenants/{tenant_id}")).body
    for patch in (
        {"name": ""},
        {"name": None},
        {"name": "\ud800"},
        {"status": "asleep"},
        {"status": None},
        {"accessToken": None},
        {"accessToken": ""},
        {"phoneNumberId": "222222"},
        {"settings": {"limits": {"messagesPerSecond": 0}}},
        {"settings": []},
        {"settings": {"inDoubtPolicy": "perhaps"}},
        {"settings": {"checkWindow": "no"}},
        {"name": "fine", "typo": 1},
        {"tenantId": "x"},
    ):
        answer = await backend.patch(tenant_id, **patch)
        assert (answer.status, answer.code) == (422, "invalid_request"), patch
    for body in ([], "x", 5, None):
        answer = await backend.call("PATCH", f"/tenants/{tenant_id}", json=body)
        assert answer.status == 422, body
    assert (await backend.call("GET", f"/tenants/{tenant_id}")).body == before


async def test_patches_at_the_same_moment_lose_nothing(open_backend: Any) -> None:
    one, two = await open_backend(), await open_backend()
    tenant_id = await one.register()
    for n in range(1, 6):
        answers = await asyncio.gather(
            one.patch(tenant_id, name=f"name {n}"),
            two.patch(tenant_id, settings={"limits": {"messagesPerSecond": n}}),
            one.patch(tenant_id, settings={"autoReply": {"text": f"text {n}"}}),
        )
        assert {answer.status for answer in answers} == {200}
        tenant = (await one.call("GET", f"/tenants/{tenant_id}")).body
        assert tenant["name"] == f"name {n}"
        assert tenant["settings"]["limits"]["messagesPerSecond"] == n
        assert tenant["settings"]["autoReply"]["text"] == f"text {n}"


async def test_thirty_patches_at_the_same_moment_all_count(open_backend: Any) -> None:
    one, two = await open_backend(), await open_backend()
    tenant_id = await one.register()
    fields: list[dict[str, Any]] = [
        {"name": "name"},
        {"wabaId": "102290129340398"},
        {"settings": {"limits": {"messagesPerSecond": 7}}},
        {"settings": {"autoReply": {"text": "text"}}},
        {"settings": {"checkWindow": False}},
        {"settings": {"inDoubtPolicy": "resend"}},
    ]
    answers = await asyncio.gather(
        *((one, two)[n % 2].patch(tenant_id, **fields[n % len(fields)]) for n in range(30))
    )
    assert [answer.status for answer in answers] == [200] * 30
    tenant = (await two.call("GET", f"/tenants/{tenant_id}")).body
    assert (tenant["name"], tenant["wabaId"]) == ("name", "102290129340398")
    assert tenant["settings"] == {
        "autoReply": {"enabled": True, "text": "text"},
        "limits": {"messagesPerSecond": 7},
        "inDoubtPolicy": "resend",
        "checkWindow": False,
    }


async def test_a_change_holds_in_every_process_within_two_seconds(
    open_backend: Any, webhook_of: Any, text_message: Any, eventually: Any
) -> None:
    one, two = await open_backend(), await open_backend()
    tenant_id = await one.register()
    await two.webhook(webhook_of(messages=[text_message()]))
    assert (await one.patch(tenant_id, name="B")).status == 200

    async def answers_as_b() -> bool:
        await two.webhook(webhook_of(messages=[text_message()]))
        last = (await two.messages(tenant_id))[-1]
        return bool(last["body"].endswith("- team B"))

    await eventually(answers_as_b, within=2.0)
    # Here at once.
    await one.patch(tenant_id, name="C")
    await one.webhook(webhook_of(messages=[text_message()]))
    assert (await one.messages(tenant_id))[-1]["body"].endswith("- team C")


async def test_a_number_that_was_nobodys_is_served_elsewhere_within_two_seconds(
    open_backend: Any, webhook_of: Any, text_message: Any, eventually: Any
) -> None:
    one, two = await open_backend(), await open_backend()
    assert (await two.webhook(webhook_of(messages=[text_message()]))).status == 200
    tenant_id = await one.register()

    async def served() -> bool:
        await two.webhook(webhook_of(messages=[text_message()]))
        return bool(await two.messages(tenant_id))

    await eventually(served, within=2.0)


@pytest.mark.parametrize("master_key", ["cd" * 32, "cd" * 32 + "," + "ab" * 32])
async def test_tokens_open_after_a_rotation_and_not_without_the_key(
    open_backend: Any, simulator: Any, eventually: Any, master_key: str
) -> None:
    """Sealed under `ab…`; then `cd…` comes in front, with the old one behind it or without."""
    first = await open_backend(graph_base_url=simulator.base_url)
    tenant_id = await first.register()
    second = await open_backend(graph_base_url=simulator.base_url, master_key=master_key)
    message_id = await second.sent(tenant_id)
    await second.start_worker()
    if "," in master_key:
        await second.until_status(tenant_id, message_id, "sent")
        return

    async def complained() -> Any:
        return (await second.message(tenant_id, message_id))["error"]

    error = await eventually(complained)
    assert "token could not be opened" in error["title"]
    message = await second.message(tenant_id, message_id)
    assert (message["status"], message["attempts"]) == ("queued", 0)
    assert simulator.journal.entries == []


@pytest.mark.parametrize(
    "settings",
    [
        {"limits": {"messagesPerSecond": True}},
        {"limits": {"messagesPerSecond": "7"}},
        {"limits": {"messagesPerSecond": 7.0}},
        {"autoReply": {"enabled": "off"}},
        {"autoReply": {"enabled": 1}},
    ],
)
async def test_what_only_looks_like_a_number_or_a_yes_is_refused(
    backend: Any, settings: dict[str, Any]
) -> None:
    tenant_id = await backend.register()
    before = (await backend.call("GET", f"/tenants/{tenant_id}")).body
    answer = await backend.patch(tenant_id, settings=settings)
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert (await backend.call("GET", f"/tenants/{tenant_id}")).body == before


async def test_a_new_token_mends_a_tenant_whose_master_key_is_lost(open_backend: Any) -> None:
    old = await open_backend(master_key="ab" * 32)
    tenant_id = await old.register(accessToken="mock_a", appSecret=SECRET)
    new = await open_backend(master_key="cd" * 32)
    answer = await new.patch(tenant_id, accessToken="mock_b")
    assert (answer.status, answer.body["hasAppSecret"]) == (200, False)
    message_id = await new.sent(tenant_id)
    await new.start_worker()
    await new.until_status(tenant_id, message_id, "sent")


async def test_a_new_token_moves_a_tenant_to_the_first_master_key(
    open_backend: Any, database: Any
) -> None:
    old = await open_backend(master_key="ab" * 32)
    tenant_id = await old.register(accessToken="mock_a", appSecret=SECRET)
    key_before = (await database.tenants.find_one())["dataKeyEnc"]["keyId"]
    both = await open_backend(master_key=f"{'cd' * 32},{'ab' * 32}")
    answer = await both.patch(tenant_id, accessToken="mock_b")
    assert (answer.status, answer.body["hasAppSecret"]) == (200, True)
    assert (await database.tenants.find_one())["dataKeyEnc"]["keyId"] != key_before
