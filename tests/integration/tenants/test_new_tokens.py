"""A new token is shown to Graph before it is stored, and what waited for it goes on."""

import asyncio
from typing import Any

import pytest
from bson import ObjectId

from manyline.base.clock import StoreClock
from manyline.meta.catalogue import CATALOGUE
from manyline.tenants.repository import TenantRepository
from manyline.tenants.service import TenantService
from manyline.vault.envelope import Vault
from manyline.vault.keyring import LocalKeyring

NEW = "EAAG-a-new-token"


@pytest.fixture
def service(mongo: Any) -> TenantService:
    """What a worker has of tenants, on the same store as `backend`."""
    return TenantService(
        repository=TenantRepository(mongo.database),
        vault=Vault(LocalKeyring([bytes.fromhex("ab" * 32)])),
        clock=StoreClock(),
        mock_allowed=True,
    )


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The numbers that were woken."""
    numbers: list[str] = []

    def wake_number(_self: object, phone_number_id: str, *, delay_seconds: float = 0) -> None:
        assert delay_seconds > 2.0, "other processes may not know of the change yet"
        numbers.append(phone_number_id)

    monkeypatch.setattr("manyline.sending.wakes.Wakes.wake_number", wake_number)
    return numbers


async def stored(database: Any) -> Any:
    return await database.tenants.find_one()


async def pause(service: TenantService, tenant_id: str, code: int) -> None:
    tenant = await service.get(ObjectId(tenant_id))
    assert await service.pause(tenant, reason=CATALOGUE[code].meaning, code=code)


async def test_a_good_token_is_stored_and_brings_the_number_as_people_write_it(
    backend: Any, service: TenantService
) -> None:
    tenant_id = await backend.register()
    answer = await backend.patch(tenant_id, accessToken=NEW)
    assert answer.status == 200, answer
    assert answer.body["displayPhoneNumber"]
    assert await service.access_token(await service.get(ObjectId(tenant_id))) == NEW


async def test_a_token_that_graph_refuses_is_not_stored(
    backend: Any, simulator: Any, database: Any
) -> None:
    tenant_id = await backend.register()
    before = await stored(database)
    simulator.settings.bad_tokens = {NEW}
    answer = await backend.patch(tenant_id, accessToken=NEW, name="B")
    assert (answer.status, answer.code, answer.body["graphCode"]) == (422, "token_refused", 190)
    assert [error["field"] for error in answer.body["errors"]] == ["accessToken"]
    assert CATALOGUE[190].meaning in answer.body["detail"]
    assert CATALOGUE[190].fix in answer.body["detail"]
    assert NEW not in str(answer.body)
    assert await stored(database) == before


async def test_a_bad_patch_is_refused_before_graph_is_asked(
    backend: Any, simulator: Any, database: Any
) -> None:
    tenant_id = await backend.register()
    before = await stored(database)
    simulator.settings.bad_tokens = {NEW}
    answer = await backend.patch(tenant_id, accessToken=NEW, name="")
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert await stored(database) == before


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "http", "status": 502},
        {"kind": "http", "status": 404},
        {"kind": "http", "status": 200},
        {"kind": "hang"},
        {"kind": "reset"},
        {"kind": "error", "code": 2},
        {"kind": "error", "code": 80007},
        {"kind": "error", "code": 130429},
    ],
)
async def test_without_a_verdict_of_graphs_nothing_is_stored_and_it_may_be_tried_again(
    backend: Any, simulator: Any, database: Any, fault: dict[str, Any]
) -> None:
    tenant_id = await backend.register()
    before = await stored(database)
    simulator.set_faults({"fault": fault, "match": {"path": "*"}})
    answer = await backend.patch(tenant_id, accessToken=NEW)
    assert (answer.status, answer.code) == (503, "graph_unreachable"), answer
    assert int(answer.headers["Retry-After"]) > 0
    assert await stored(database) == before
    simulator.set_faults()
    assert (await backend.patch(tenant_id, accessToken=NEW)).status == 200


async def test_while_graph_cannot_be_reached_nothing_is_stored(
    backend: Any, simulator: Any, database: Any
) -> None:
    tenant_id = await backend.register()
    before = await stored(database)
    async with simulator.refusing():
        answer = await backend.patch(tenant_id, accessToken=NEW)
        assert (answer.status, answer.code) == (503, "graph_unreachable"), answer
        # Everything else may be changed meanwhile.
        assert (await backend.patch(tenant_id, wabaId="102290129340398")).status == 200
    after = await stored(database)
    assert after["accessTokenEnc"] == before["accessTokenEnc"]


async def test_the_proof_is_made_with_the_secret_that_will_be_stored(
    backend: Any, simulator: Any
) -> None:
    """The simulator, as Graph, refuses a proof that is not of its own app secret."""
    tenant_id = await backend.register()
    simulator.settings.require_proof = True
    assert (await backend.patch(tenant_id, accessToken=NEW)).status == 200
    wrong = await backend.patch(tenant_id, accessToken=NEW, appSecret="another-apps")
    assert (wrong.status, wrong.code, wrong.body["graphCode"]) == (422, "token_refused", 100)
    assert "appsecret_proof" in wrong.body["detail"]
    assert (await backend.call("GET", f"/tenants/{tenant_id}")).body["hasAppSecret"] is False


@pytest.mark.parametrize("code", [190, 200, 131005])
async def test_a_good_token_ends_a_pause_for_the_old_one_and_wakes_once(
    backend: Any, service: TenantService, woken: list[str], code: int
) -> None:
    tenant_id = await backend.register()
    await pause(service, tenant_id, code)
    shown = (await backend.call("GET", f"/tenants/{tenant_id}")).body
    assert (shown["status"], shown["pausedCode"]) == ("paused", code)
    assert shown["pausedReason"] == CATALOGUE[code].meaning
    assert (await backend.patch(tenant_id, name="B")).body["status"] == "paused"
    assert woken == []
    mended = (await backend.patch(tenant_id, accessToken=NEW)).body
    assert (mended["status"], mended["pausedReason"], mended["pausedCode"]) == (
        "active",
        None,
        None,
    )
    assert woken == ["111111111111111"]


async def test_a_refused_token_does_not_end_a_pause(
    backend: Any, simulator: Any, service: TenantService, woken: list[str]
) -> None:
    tenant_id = await backend.register()
    await pause(service, tenant_id, 190)
    simulator.settings.bad_tokens = {NEW}
    assert (await backend.patch(tenant_id, accessToken=NEW)).status == 422
    shown = (await backend.call("GET", f"/tenants/{tenant_id}")).body
    assert (shown["status"], shown["pausedCode"]) == ("paused", 190)
    assert woken == []


async def test_a_locked_account_and_a_persons_pause_outlast_a_new_token(
    backend: Any, service: TenantService, woken: list[str]
) -> None:
    locked = await backend.register("111111")
    await pause(service, locked, 131031)
    asleep = await backend.register("222222")
    await backend.patch(asleep, status="paused")
    for tenant_id, code in ((locked, 131031), (asleep, None)):
        answer = await backend.patch(tenant_id, accessToken=NEW)
        assert (answer.status, answer.body["status"]) == (200, "paused")
        assert answer.body["pausedCode"] == code
        assert answer.body["pausedReason"]
    assert woken == []
    back = await backend.patch(locked, status="active")
    assert (back.body["status"], back.body["pausedCode"]) == ("active", None)
    assert woken == ["111111"]


async def test_an_old_tokens_error_does_not_pause_a_repaired_tenant(
    backend: Any, service: TenantService
) -> None:
    tenant_id = await backend.register()
    as_it_was = await service.get(ObjectId(tenant_id))
    await backend.patch(tenant_id, accessToken=NEW)
    assert await service.pause(as_it_was, reason="expired", code=190) is False
    assert (await backend.call("GET", f"/tenants/{tenant_id}")).body["status"] == "active"


async def test_of_many_who_pause_one_does(backend: Any, service: TenantService) -> None:
    tenant_id = await backend.register()
    tenant = await service.get(ObjectId(tenant_id))
    done = await asyncio.gather(
        *(service.pause(tenant, reason=f"{n}", code=190) for n in range(10))
    )
    assert sum(done) == 1
    paused = await service.get(ObjectId(tenant_id))
    assert (paused.status, paused.version) == ("paused", tenant.version + 1)
    assert paused.paused_reason == f"{done.index(True)}"
    assert await service.pause(paused, reason="again", code=190) is False


async def test_a_pause_holds_in_every_process_within_two_seconds(
    backend: Any, service: TenantService, eventually: Any
) -> None:
    tenant_id = await backend.register()
    await backend.sent(tenant_id)
    await pause(service, tenant_id, 190)

    async def refused() -> Any:
        answer = await backend.send(tenant_id)
        return answer if answer.status == 409 else None

    answer = await eventually(refused, within=2.0)
    assert answer.code == "tenant_not_active"
    assert CATALOGUE[190].meaning in answer.body["detail"]


async def test_what_waited_for_a_token_is_sent_with_the_new_one_and_in_order(
    backend: Any, simulator: Any, service: TenantService
) -> None:
    tenant_id = await backend.register(accessToken="EAAG-the-old-one")
    ids = [await backend.sent(tenant_id, text=f"{n}") for n in range(3)]
    await pause(service, tenant_id, 190)
    simulator.settings.bad_tokens = {"EAAG-the-old-one"}
    await backend.start_worker()
    assert (await backend.patch(tenant_id, accessToken=NEW)).body["status"] == "active"
    for message_id in ids:
        await backend.until_status(tenant_id, message_id, "sent", "delivered", "read")
    assert [entry.body for entry in simulator.journal.entries] == ["0", "1", "2"]
