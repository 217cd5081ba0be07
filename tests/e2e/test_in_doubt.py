"""A worker that dies between Meta's taking a message and our writing that down."""

import asyncio
import time
from typing import Any

import pytest

from graphsim.identifiers import waba_id
from graphsim.journal import Entry
from graphsim.payloads import envelope, status_change
from tests.e2e.conftest import StartUp
from tests.e2e.proof.stage import Line, Stage, open_stage
from tests.e2e.proof.store import Stored, at_rest, read_messages
from tests.e2e.proof.talk import deliver
from tests.e2e.system import request

CUSTOMER = "919000000001"


def send(stage: Stage, line: Line, text: str, *, key: str) -> str:
    """Ask for a message to the customer; its id."""
    body = {"to": f"+{CUSTOMER}", "text": text, "idempotency_key": key}
    answer = request(f"{stage.url}/tenants/{line.tenant_id}/send", body=body)
    assert answer.status == 200, answer
    return str(answer.json["messageId"])


def status_of(entry: Entry, status: str) -> bytes:
    """The webhook by which Meta reports on a message that it took."""
    change = status_change(
        phone_number_id=entry.phone_number_id,
        wamid=entry.wamid or "",
        status=status,
        timestamp=int(time.time()),
        wa_id=CUSTOMER,
        user_id=None,
        opaque=entry.biz_opaque_callback_data,
        conversation_id=None,
    )
    return envelope([(waba_id(entry.phone_number_id), change)])


async def the_message(stage: Stage, message_id: str, *, status: str) -> Stored:
    """The message once it is in this status."""
    async with asyncio.timeout(30):
        while True:
            [found] = [one for one in await read_messages(stage) if one.id == message_id]
            if found.status == status:
                return found
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "fault", [{"kind": "hang", "point": "after_accept"}, {"kind": "late", "seconds": 1.0}]
)
async def test_killed_after_meta_took_it(start_up: StartUp, fault: dict[str, Any]) -> None:
    """In doubt, with nobody's guess; then `sent` by the status alone. One POST in all."""
    async with open_stage(start_up, statuses=[]) as stage:
        [line] = stage.register(1)
        stage.simulator.set_faults({"fault": fault, "times": 1})
        first = send(stage, line, "first", key="first")
        second = send(stage, line, "second", key="second")
        await stage.posted(1)
        kill = stage.kill("worker")
        assert kill.unanswered == {first}, "the kill came too late to prove anything"

        doubted = await the_message(stage, first, status="in_doubt")
        assert doubted.wamid is None
        assert doubted.attempts == 1
        assert [entry["event"] for entry in doubted.history] == ["in_doubt"]
        # A doubt holds nobody up: the next one to the same customer goes.
        await the_message(stage, second, status="sent")
        taken = stage.journal[0]
        assert (taken.outcome, taken.biz_opaque_callback_data) == ("accepted", first)

        assert await deliver(stage, status_of(taken, "sent")) == 200
        known = await the_message(stage, first, status="sent")
        assert known.wamid == taken.wamid
        assert known.error is None
        assert known.attempts == 1

        await at_rest(stage)
        assert [entry.biz_opaque_callback_data for entry in stage.journal] == [first, second]
