"""The main job, as a newcomer tries it: the quick test's own lines, then a stand-in for Meta."""

import json
import shlex
import shutil
import subprocess
from typing import Any

import pytest

from tests.e2e.conftest import StartUp
from tests.e2e.proof.stage import log_tails
from tests.e2e.system import System, request, wait_until

# Verbatim, line for line; only the port is changed when they are run.
REGISTER = r"""
    curl -X POST http://localhost:3000/tenants/register      -H "Content-Type: application/json"      -d '{"name":"Tenant A","phoneNumberId":"111111111111111","accessToken":"mock_token_tenant_A"}'
"""  # noqa: E501
SAY_HI = r"""
    curl -X POST http://localhost:3000/whatsapp/webhook      -H "Content-Type: application/json"      -d '{"entry":[{"changes":[{"value":{"metadata":{"phone_number_id":"111111111111111"},"messages":[{"from":"+919111111111","id":"wamid.123","type":"text","text":{"body":"hi"}}]}}]}]}'
"""  # noqa: E501
REPLY = "thanks for reaching us\n- team Tenant A"
NUMBER = "111111111111111"


def run_line(line: str, system: System) -> Any:
    """What the line prints, as JSON; run by curl itself where there is one."""
    line = line.strip().replace("localhost:3000", f"localhost:{system.url.rpartition(':')[2]}")
    arguments = shlex.split(line)
    if shutil.which("curl"):
        done = subprocess.run([*arguments, "-sS"], capture_output=True, check=True, timeout=20)
        return json.loads(done.stdout)
    method, url, header, body = (arguments[place] for place in (2, 3, 5, 7))
    name, _, value = header.partition(": ")
    return request(url, method=method, body=body.encode(), **{name: value}).json


def messages_of(system: System, tenant: str) -> list[dict[str, Any]]:
    """Newest first, as the API lists them."""
    answer = request(f"{system.url}/tenants/{tenant}/messages")
    assert answer.status == 200, answer
    items: list[dict[str, Any]] = answer.json["items"]
    return items


def until_reply(system: System, tenant: str, status: str) -> list[dict[str, Any]]:
    """The messages, once the newest one is a reply with this status."""

    def listed() -> list[dict[str, Any]]:
        items = messages_of(system, tenant)
        outgoing = [item for item in items if item["direction"] == "OUT"]
        return items if [item["status"] for item in outgoing] == [status] else []

    try:
        found: list[dict[str, Any]] = wait_until(listed, what=f"one reply, {status}")
    except AssertionError as error:
        shown = json.dumps(messages_of(system, tenant), indent=1)
        raise AssertionError(f"{error}\n{shown}\n{log_tails(system)}") from None
    return found


def test_the_quick_test_ends_in_one_in_and_one_sent(start_up: StartUp) -> None:
    system = start_up().wait_ready()
    registered = run_line(REGISTER, system)
    assert registered["ok"] is True
    taken = run_line(SAY_HI, system)
    assert taken["ok"] is True

    reply, inbound = until_reply(system, registered["tenantId"], "sent")
    assert (inbound["direction"], inbound["status"], inbound["body"]) == ("IN", "received", "hi")
    assert (inbound["waMessageId"], inbound["from"]) == ("wamid.123", "+919111111111")
    assert (reply["body"], reply["to"]) == (REPLY, "+919111111111")
    assert reply["idempotencyKey"] == "auto-reply:wamid.123"
    assert reply["waMessageId"]
    # "Observe worker logs": it says that it sent something.
    worker_log = system.data / "logs" / "worker.log"
    wait_until(lambda: "messages.settled" in worker_log.read_text(), what="the worker's log")

    assert run_line(SAY_HI, system) == taken
    assert messages_of(system, registered["tenantId"]) == [reply, inbound]


def test_with_the_simulator_the_reply_is_read(start_up: StartUp) -> None:
    system = start_up("--simulator").wait_ready()
    body = {"name": "Tenant A", "phoneNumberId": NUMBER, "accessToken": "EAA-not-a-mock"}
    tenant = request(f"{system.url}/tenants/register", body=body).json["tenantId"]
    order = {"phone_number_id": NUMBER, "from": "919111111111", "text": "hi"}
    said = request(f"{system.simulator_url}/_sim/inbound", body=order).json

    reply, inbound = until_reply(system, tenant, "read")
    assert said["wamids"] == [inbound["waMessageId"]]
    assert reply["body"] == REPLY
    assert {"queued", "sending", "sent", "delivered", "read"} == reply["statusAt"].keys()
    [post] = request(f"{system.simulator_url}/_sim/journal").json["entries"]
    assert post["biz_opaque_callback_data"] == reply["messageId"]
    assert (post["wamid"], post["body"]) == (reply["waMessageId"], REPLY)
    assert (post["to"], post["outcome"]) == ("+919111111111", "accepted")


@pytest.mark.parametrize("signature", [None, "sha256=" + "0" * 64, "sha1=x", ""])
def test_with_the_simulator_only_signed_webhooks_are_taken(
    simulated: System, signature: str | None
) -> None:
    body = {"name": "Tenant S", "phoneNumberId": "222222222222222", "accessToken": "EAA-x"}
    request(f"{simulated.url}/tenants/register", body=body)
    tenants = request(f"{simulated.url}/tenants").json["items"]
    webhook = SAY_HI[SAY_HI.index("{") : SAY_HI.rindex("}") + 1].replace(NUMBER, "2" * 15).encode()
    headers = {} if signature is None else {"X-Hub-Signature-256": signature}
    answer = request(f"{simulated.url}/whatsapp/webhook", body=webhook, **headers)
    assert answer.status == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert b"sha256=" not in answer.body.replace(b"X-Hub-Signature-256", b"")
    assert [messages_of(simulated, tenant["tenantId"]) for tenant in tenants] == [[]]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One `manyline up --simulator` that takes no webhook in these tests."""
    system = System(tmp_path_factory.mktemp("simulated") / "data", "--simulator")
    try:
        yield system.wait_ready()
    finally:
        system.end()
